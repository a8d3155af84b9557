"""The arithmetic of the benchmarks, and what their last line promises."""

import json
import math

import orjson
import pytest

from bench.figures import KEYS, last_line, latency, percentile, ratio, summary
from bench.payload import SIZE, number_in, order


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.01, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100)]
)
def test_a_percentile_is_the_nearest_rank(share, expected):
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_a_percentile_of_one_value_is_that_value():
    assert percentile([7.5], 0.99) == 7.5


def test_nothing_measured_has_no_percentile():
    assert math.isnan(percentile([], 0.5))
    assert latency([])["p50_ms"] is None


def test_latency_is_told_in_milliseconds():
    assert latency([0.001, 0.002, 0.0034]) == {"p50_ms": 2.0, "p95_ms": 3.4, "p99_ms": 3.4, "max_ms": 3.4}


def test_a_ratio_needs_both_sides():
    assert ratio(900, 100) == 9.0
    assert ratio(900, None) is None
    assert ratio(900, 0) is None


def test_the_last_line_has_every_key_also_where_nothing_ran():
    told = json.loads(last_line({}))
    assert tuple(told) == KEYS
    assert set(told.values()) == {None}


def test_the_summary_takes_each_figure_from_its_part():
    told = summary(
        {
            "delivery": {"per_s": 4000.0},
            "slow": {"per_s": 2500.0},
            "gentle 50/s": {"p50_ms": 5.0, "p99_ms": 12.0},
            "peer: task per delivery": {"per_s": 400.0},
            "peer: bare celery": {"per_s": 800.0},
            "embedded delivery": {"per_s": 3000.0},
            "ingest": {"per_s": 1800.0, "p99_ms": 21.0},
            "yardstick: DRF generic view": {"per_s": 600.0},
        }
    )
    assert tuple(told.values()) == (4000.0, 10.0, 5.0, 2500.0, 5.0, 12.0, 3000.0, 1800.0, 21.0, 3.0)


@pytest.mark.parametrize("number", [0, 7, 123_456_789])
def test_an_order_is_one_kibibyte_and_tells_its_number(number):
    body = orjson.dumps(order(number))
    assert len(body) == SIZE
    assert number_in(b'{"type":"x","data":' + body + b"}") == number


def test_a_number_is_found_also_in_json_with_spaces():
    assert number_in(json.dumps({"data": order(42)}).encode()) == 42
    assert number_in(b"{}") == -1
