"""Arithmetic of the benchmarks: percentiles, rates, and the one line that a machine reads."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

#: What the last line of a run holds, in this order; null where a part was left out or failed.
KEYS = (
    "delivery_per_s",
    "delivery_vs_task_per_delivery",
    "delivery_vs_bare_celery",
    "slow_per_s",
    "gentle_p50_ms",
    "gentle_p99_ms",
    "embedded_delivery_per_s",
    "ingest_per_s",
    "ingest_p99_ms",
    "ingest_vs_drf",
)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of ``values`` that ``share`` (0 to 1) of them do not exceed (nearest rank).

    NaN where there are none.
    """
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def latency(seconds: Sequence[float]) -> dict[str, Any]:
    """Return p50, p95, p99 and the longest of ``seconds``, in milliseconds."""
    shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99, "max_ms": 1.0}
    return {name: tidy(percentile(seconds, share) * 1000, 2) for name, share in shares.items()}


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """Return ``ours`` / ``theirs``, or None where one of them was not measured."""
    if not ours or not theirs:
        return None
    return tidy(ours / theirs, 2)


def tidy(value: float | None, digits: int) -> float | None:
    """Round; None for what is no number, because JSON has no NaN."""
    return None if value is None or not math.isfinite(value) else round(value, digits)


def summary(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the figures named in ``KEYS`` from the results of the parts."""

    def get(part: str, name: str = "per_s") -> Any:
        return results.get(part, {}).get(name)

    figures = (
        get("delivery"),
        ratio(get("delivery"), get("peer: task per delivery")),
        ratio(get("delivery"), get("peer: bare celery")),
        get("slow"),
        get("gentle 50/s", "p50_ms"),
        get("gentle 50/s", "p99_ms"),
        get("embedded delivery"),
        get("ingest"),
        get("ingest", "p99_ms"),
        ratio(get("ingest"), get("yardstick: DRF generic view")),
    )
    return dict(zip(KEYS, figures, strict=True))


def line(name: str, result: Mapping[str, Any]) -> str:
    """Return one result as a line for people."""
    told = "  ".join(f"{key} {value}" for key, value in result.items())
    return f"{name:<34} {told}"


def last_line(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the JSON object that a run ends with."""
    return json.dumps(summary(results))
