"""What an action gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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
    #: Of a connection test: what tells the connected account from another, where its label does not.
    account_id: str = ""

    def masked(self, hide: Callable[[str], str]) -> "Result":
        """Return it with every text passed through ``hide``: a provider may repeat a secret in its answer."""
        if not self.message and not self.data:
            return self
        return replace(self, message=hide(self.message), data=_masked(self.data, hide))


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a pull: rows as the provider gives them, and the cursor of the next page."""

    rows: list[dict[str, Any]]
    next_cursor: str | None = None


def _masked(value: Any, hide: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, Mapping):
        return {name: _masked(inner, hide) for name, inner in value.items()}
    return [_masked(inner, hide) for inner in value] if isinstance(value, list | tuple) else value
