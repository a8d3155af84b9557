"""Every transform: what it makes of good values, what it says of wrong ones."""

import re

import pytest

from hub.mapping.transforms import TRANSFORMS, catalogue, make_transform
from hub.mapping.values import TransformError, plain

EVENT = {
    "id": "1",
    "type": "order.paid",
    "data": {"id": "A-1", "currency": "KWD", "customer": {"name": "Ann"}, "odd-key": 3, "none": None},
}


def run(value, name, options):
    return plain(make_transform({"name": name} | options).run(value, EVENT))


@pytest.mark.parametrize(
    ("value", "name", "options", "expected"),
    [
        (12, "text", {}, "12"),
        (True, "text", {}, "true"),
        ("ann", "upper", {}, "ANN"),
        ("ANN", "lower", {}, "ann"),
        ("ann o'neill", "title", {}, "Ann O'neill"),
        ("  x ", "trim", {}, "x"),
        ("   ", "trim", {}, None),
        ("abcdef", "truncate", {"length": 4}, "abcd"),
        ("abcdef", "truncate", {"length": 4, "ending": "…"}, "abc…"),
        ("abc", "truncate", {"length": 4, "ending": "…"}, "abc"),
        ("a-b-c", "replace", {"find": "-", "replacement": " "}, "a b c"),
        ("a, b,,c", "split", {}, ["a", "b", "c"]),
        (["a", 1, None], "join", {}, "a, 1"),
        ("a", "join", {}, "a"),
        (" Ann@Example.COM ", "email", {}, "ann@example.com"),
        ("abc", "sha256", {}, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("abc", "sha256", {"encoding": "base64"}, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="),
        ("1,234.50", "number", {}, 1234.5),
        ("1.234,50", "number", {"decimal_sign": ","}, 1234.5),
        ("1 234", "number", {}, 1234),
        (0.1, "number", {}, 0.1),
        ("12345678901234567890.123456789", "number", {}, "12345678901234567890.123456789"),
        ("2.5", "round", {}, 3),
        ("2.5", "round", {"mode": "half_even"}, 2),
        ("2.345", "round", {"places": 2}, 2.35),
        ("-2.1", "round", {"mode": "down"}, -3),
        (0.1, "multiply", {"by": 3}, 0.3),
        (0.1, "add", {"number": "0.2"}, 0.3),
        (["1", "2"], "number", {}, [1, 2]),
        ("12.50", "to_minor_units", {"currency": "EUR"}, 1250),
        (1.1, "to_minor_units", {"currency": "eur"}, 110),
        (500, "to_minor_units", {"currency": "JPY"}, 500),
        ("1.250", "to_minor_units", {"currency_source": "data.currency"}, 1250),
        ("12.505", "to_minor_units", {"currency": "EUR", "rounding": "half_up"}, 1251),
        ("7", "to_minor_units", {"exponent": 0}, 7),
        (1250, "from_minor_units", {"currency": "EUR"}, "12.50"),
        (1250, "from_minor_units", {"currency": "EUR", "output": "number"}, 12.5),
        (1250, "from_minor_units", {"currency": "JPY"}, "1250"),
        (5, "from_minor_units", {"currency": "KWD"}, "0.005"),
        ("2026-01-31T12:00:00Z", "date", {"output": "unix"}, 1769860800),
        (1769860800, "date", {}, "2026-01-31T12:00:00+00:00"),
        (1769860800123, "date", {"output": "unix_ms"}, 1769860800123),
        ("1769860800", "date", {"output": "iso_utc"}, "2026-01-31T12:00:00Z"),
        ("31.01.2026", "date", {"formats": ["%d.%m.%Y"], "output": "date"}, "2026-01-31"),
        ("2026-07-01 12:00", "date", {"zone": "Europe/Berlin", "output": "iso_utc"}, "2026-07-01T10:00:00Z"),
        (
            "2026-01-31T23:30:00Z",
            "date",
            {"to_zone": "Asia/Tokyo", "output": "date"},
            "2026-02-01",
        ),
        ("2026-01-31", "date", {"output": "format", "output_format": "%m/%d/%y"}, "01/31/26"),
        (None, "default", {"value": 5}, 5),
        ("", "default", {"value": "x"}, "x"),
        (0, "default", {"value": 5}, 0),
        ("paid", "lookup", {"table": {"paid": "closedwon"}}, "closedwon"),
        (1, "lookup", {"table": {"1": "one"}}, "one"),
        ("PAID", "lookup", {"table": {"paid": 1}, "ignore_case": True}, 1),
        ("x", "lookup", {"table": {}, "otherwise": "keep"}, "x"),
        ("x", "lookup", {"table": {}, "otherwise": "default", "default": "d"}, "d"),
        ("Yes", "boolean", {}, True),
        ("0", "boolean", {}, False),
        (0, "boolean", {}, False),
        ("ja", "boolean", {"true_words": ["ja"], "false_words": ["nein"]}, True),
        ([1, 2], "first", {}, 1),
        ([1, 2], "last", {}, 2),
        ([], "first", {}, None),
        ({"a": 1}, "json_encode", {}, '{"a":1}'),
        ('{"a": [1]}', "json_decode", {}, {"a": [1]}),
        (None, "template", {"text": "{data.id} of {data.customer.name}"}, "A-1 of Ann"),
        ("v", "template", {"text": "{{{value}}} {data.nothing}!"}, "{v} !"),
        (None, "template", {"text": '{data."odd-key"} {data.customer}'}, '3 {"name":"Ann"}'),
        (None, "upper", {}, None),
    ],
)
def test_makes(value, name, options, expected):
    made = run(value, name, options)
    assert made == expected
    assert type(made) is type(expected)


@pytest.mark.parametrize(
    ("value", "name", "options", "expectation"),
    [
        ({}, "upper", {}, "text"),
        ("abc", "number", {}, "a number such as 1234.50"),
        ("NaN", "number", {}, "a number such as 1234.50"),
        ("1e999999999", "round", {}, "a number of at most"),
        (True, "round", {}, "a number"),
        ("12.505", "to_minor_units", {"currency": "EUR"}, "at most 2 decimal places"),
        ("1", "to_minor_units", {"currency_source": "data.id"}, "currency code of three letters at data.id"),
        ("1.5", "from_minor_units", {"currency": "EUR"}, "whole number of minor units"),
        ("soon", "date", {}, "2026-01-31T12:00:00Z"),
        ("soon", "date", {"formats": ["%d.%m.%Y"]}, "%d.%m.%Y"),
        (10**30, "date", {}, "Unix time"),
        ("0001-01-01T00:00:00", "date", {"to_zone": "America/New_York"}, "between the years"),
        ("refunded", "lookup", {"table": {"paid": 1, "open": 2}}, "one of the table: paid, open"),
        ("maybe", "boolean", {}, "one of: true, yes"),
        ("ann", "email", {}, "ann@example.com"),
        ("x", "first", {}, "a list"),
        ("{", "json_decode", {}, "valid JSON"),
        ("[NaN]", "json_decode", {}, "valid JSON"),
        ("[" * 100_000, "json_decode", {}, "valid JSON"),
        (None, "template", {"text": "{data.nothing}", "missing": "error"}, "{data.nothing}"),
    ],
)
def test_says_what_it_expected(value, name, options, expectation):
    with pytest.raises(TransformError) as caught:
        run(value, name, options)
    assert expectation in caught.value.expectation


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("upper", "is an object with a name"),
        ({"name": "uper"}, "there is no transform 'uper'; there are: text, upper"),
        ({"name": "truncate"}, "option length field required"),
        ({"name": "upper", "length": 1}, "option length"),
        ({"name": "date", "zone": "Mars/Base"}, "no time zone 'Mars/Base'"),
        ({"name": "date", "output": "format"}, "needs an output format"),
        ({"name": "to_minor_units"}, "needs a currency"),
        ({"name": "to_minor_units", "currency": "EU"}, "three letters"),
        ({"name": "to_minor_units", "currency_source": "a["}, "currency_source"),
        ({"name": "template", "text": "{a"}, "single {"),
        ({"name": "template", "text": "{a[}"}, "{a[}"),
        ({"name": "boolean", "true_words": ["x"], "false_words": ["X"]}, "both yes and no"),
    ],
)
def test_wrong_declarations_are_named(declared, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make_transform(declared)


def test_the_catalogue_tells_an_editor_everything():
    described = {entry["name"]: entry for entry in catalogue()}
    assert set(described) == set(TRANSFORMS)
    for entry in described.values():
        assert entry["label"]
        assert entry["help"]
        assert all(option.get("title") for option in entry["options"].values())
    assert described["truncate"]["required"] == ["length"]
