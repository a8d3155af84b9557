"""The buckets in which latencies are counted, and what can be read from them.

A 1-2-5 series: narrow enough that a quantile is right to about a third of its value, few enough that
every minute and integration can keep all of them and any span can be summed.
"""

from collections.abc import Sequence

#: Upper bounds in milliseconds, inclusive; one more bucket holds what took longer.
BOUNDS = (5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000)
#: The column of each bucket, in their order.
COLUMNS = (*(f"within_{bound}" for bound in BOUNDS), "beyond")


def quantile(counts: Sequence[int], share: float) -> float | None:
    """Return the milliseconds within which ``share`` (to 1) of what is counted lies; None for nothing."""
    return quantiles(counts, (share,))[0]


def quantiles(counts: Sequence[int], shares: Sequence[float]) -> list[float | None]:
    """Return the ``quantile`` of each of ``shares``, which rise: one way through the buckets for all.

    ``counts`` has one number per bucket, in their order. Within a bucket the values are taken to be
    spread evenly; what took longer than the last bound is told as that bound.
    """
    total, below, place = sum(counts), 0, 0
    if not total:
        return [None] * len(shares)
    found: list[float | None] = []
    for share in shares:
        rank = share * total
        while place < len(BOUNDS) and below + counts[place] < rank:
            below, place = below + counts[place], place + 1
        if place == len(BOUNDS):
            found.append(float(BOUNDS[-1]))
            continue
        lower = BOUNDS[place - 1] if place else 0
        found.append(lower + (BOUNDS[place] - lower) * (rank - below) / counts[place])
    return found
