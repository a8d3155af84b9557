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
    """Return the milliseconds within which ``share`` (0..1) of what is counted lies; None for nothing.

    ``counts`` has one number per bucket, in their order. Within a bucket the values are taken to be
    spread evenly; what took longer than the last bound is told as that bound.
    """
    rank, below = share * sum(counts), 0
    if not rank:
        return None
    for place, count in enumerate(counts[: len(BOUNDS)]):
        if below + count >= rank:
            lower = BOUNDS[place - 1] if place else 0
            return lower + (BOUNDS[place] - lower) * (rank - below) / count
        below += count
    return float(BOUNDS[-1])
