"""Reading HubSpot page by page: everything by list, what changed by search."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from integrations.base.errors import PermanentError
from integrations.base.provider import Context, Pull
from integrations.base.results import Page
from integrations.hubspot.client import objects

PAGE = 100
#: A search gives no more rows than this, however it is paged.
SEARCH_WINDOW = 10_000


def pull(kind: str, label: str, modified: str, wanted: str) -> Pull:
    """Declare the reading of one kind of object; ``modified`` names its time of change."""

    def read(ctx: Context, cursor: str | None, since: datetime | None) -> Page:
        names = [*wanted.split(), *(ctx.settings.get("pull_properties") or []), modified]
        start, _, after = (cursor or "").rpartition(":")
        if since is None and not start:
            return _list(ctx, kind, names, after)
        first = int(start) if start else int(since.timestamp() * 1000) if since else 0
        return _search(ctx, kind, names, modified, first, after)

    return Pull(kind, label, read, PAGE)


def _list(ctx: Context, kind: str, names: Sequence[str], after: str) -> Page:
    params = {"limit": PAGE, "properties": ",".join(names), "after": after or None}
    answer = ctx.http.get(f"{objects(ctx)}/{kind}", params=params).json()
    return Page(answer.get("results") or [], _after(answer) or None)


def _search(ctx: Context, kind: str, names: Sequence[str], modified: str, first: int, after: str) -> Page:
    """Read what changed since ``first`` (Unix ms), oldest first.

    The cursor is ``<first>:<after>``. Where a search ends for its size alone, the next one begins
    at the last time read, so that rows of that time may come twice.
    """
    changed = {"propertyName": modified, "operator": "GTE", "value": str(first)}
    body: dict[str, Any] = {
        "filterGroups": [{"filters": [changed]}],
        "sorts": [modified],
        "properties": list(names),
        "limit": PAGE,
    }
    if after:
        body["after"] = after
    answer = ctx.http.post(f"{objects(ctx)}/{kind}/search", json=body).json()
    rows, following = answer.get("results") or [], _after(answer)
    if not following:
        return Page(rows)
    if following.isdigit() and int(following) + PAGE > SEARCH_WINDOW and rows:
        last = _milliseconds(rows[-1], modified)
        if last <= first:
            raise PermanentError(
                f"More than {SEARCH_WINDOW} {kind} changed in one moment; HubSpot's search lists no more.",
                hint="Read everything once, without a date.",
            )
        return Page(rows, f"{last}:")
    return Page(rows, f"{first}:{following}")


def _after(answer: Mapping[str, Any]) -> str:
    return str((((answer.get("paging") or {}).get("next")) or {}).get("after") or "")


def _milliseconds(row: Mapping[str, Any], modified: str) -> int:
    value = (row.get("properties") or {}).get(modified) or row.get("updatedAt") or ""
    return int(datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp() * 1000)
