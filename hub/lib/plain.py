"""What plain SQL gives, as Django's models would have it."""

from datetime import UTC, datetime
from typing import Any

import orjson


def read_json(value: Any) -> Any:
    """Return a JSON column's value."""
    return orjson.loads(value) if isinstance(value, str | bytes) else value


def read_time(value: Any) -> datetime:
    """Return a time column's value; without a zone it is UTC."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found if found.tzinfo else found.replace(tzinfo=UTC)
