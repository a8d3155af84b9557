"""The event that every part sends: an order of exactly 1 KiB of JSON, with its number in it."""

import re
from typing import Any

import orjson

SIZE = 1024
TYPE = "bench.order"
_NUMBER = re.compile(rb'"n": ?(\d+)')


def order(number: int) -> dict[str, Any]:
    """Return the data of event ``number``."""
    data: dict[str, Any] = {
        "n": number,
        "order": f"order-{number:09}",
        "currency": "EUR",
        "total": "129.90",
        "placed": "2026-01-31T12:00:00Z",
        "customer": {"id": "c-1042", "name": "Ann Example", "email": "ann@example.com", "vip": False},
        "address": {"street": "1 Example Road", "city": "Exampleton", "postcode": "00000", "country": "XX"},
        "lines": [
            {"sku": f"sku-{line:04}", "title": f"A thing of kind {line}", "quantity": line, "price": "9.99"}
            for line in range(1, 7)
        ],
        "note": "",
    }
    data["note"] = "x" * (SIZE - len(orjson.dumps(data)))
    return data


def number_in(body: bytes) -> int:
    """Return the number of the event that ``body`` carries, or -1."""
    found = _NUMBER.search(body)
    return int(found.group(1)) if found else -1
