"""Prometheus' text format, written straight.

The client library sorts and escapes the same labels anew in every line: with ten thousand series that took
longer than all the rest of a scrape.
"""

from collections.abc import Iterable

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def labels(**named: str) -> str:
    """Return labels as they stand in a line; several are put together with ``joined``."""
    return ",".join(f'{name}="{value.translate(_ESCAPED)}"' for name, value in named.items())


def joined(*parts: str) -> str:
    """Return labels, of which some may be none, as one."""
    return ",".join(filter(None, parts))


class Family:
    """One metric with all its series. A counter's name ends with ``_total``, as the format wants it."""

    def __init__(self, name: str, kind: str, documentation: str):
        self._name = f"{name}_total" if kind == "counter" else name
        self._lines = [f"# HELP {self._name} {documentation}", f"# TYPE {self._name} {kind}"]

    def add(self, labelled: str, value: float) -> None:
        """Add one series; ``labelled`` is what ``labels`` returned, or nothing."""
        named = f"{{{labelled}}}" if labelled else ""
        self._lines.append(f"{self._name}{named} {float(value)}")

    def add_histogram(
        self, labelled: str, bounds: Iterable[str], counts: Iterable[int], total: float
    ) -> None:
        """Add a histogram: ``counts`` of the buckets up to each of ``bounds``, and the sum of all values.

        ``bounds`` are labels too (``le="0.5"``), in their order; the last is infinity.
        """
        below = 0
        for bound, count in zip(bounds, counts, strict=True):
            below += count
            self._lines.append(f"{self._name}_bucket{{{labelled},{bound}}} {float(below)}")
        self._lines.append(f"{self._name}_count{{{labelled}}} {float(below)}")
        self._lines.append(f"{self._name}_sum{{{labelled}}} {total}")

    def text(self) -> str:
        """Return all of it, as it is sent."""
        return "\n".join([*self._lines, ""])
