"""What an action gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Result:
    """A delivery that the provider accepted.

    ``external_id`` is the provider's id of what was made or changed; ``data`` is kept with the
    queue item and shown to the admin. ``secrets`` are what the provider tells only once (a new
    signing secret): for the caller to encrypt, never part of ``data``, never logged.
    """

    external_id: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a pull: rows as the provider gives them, and the cursor of the next page."""

    rows: list[dict[str, Any]]
    next_cursor: str | None = None
