"""Reading HubSpot page by page: everything by list, what changed by search, then what was archived."""

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
#: Begins the cursor while archived objects are read.
ARCHIVED = "archived"
SINGULAR = {"contacts": "contact", "companies": "company", "deals": "deal"}


def pull(kind: str, label: str, modified: str, wanted: str) -> Pull:
    """Declare the reading of one kind of object; ``modified`` names its time of change."""

    def read(ctx: Context, cursor: str | None, since: datetime | None) -> Page:
        names = [*wanted.split(), *(ctx.settings.get("pull_properties") or []), modified]
        start, _, after = (cursor or "").rpartition(":")
        if start == ARCHIVED:
            return _archived(ctx, kind, names, since, after)
        if since is None and not start:
            return _then_archived(_list(ctx, kind, names, after))
        first = int(start) if start else int(since.timestamp() * 1000) if since else 0
        return _then_archived(_search(ctx, kind, names, modified, first, after))

    singular = SINGULAR[kind]
    gone = ("deletion", "privacy_deletion") if kind == "contacts" else ("deletion",)
    return Pull(
        kind,
        label,
        read,
        PAGE,
        deleted="gone",
        modified="updatedAt",
        told_by=(f"hubspot.{singular}.*",),
        gone_by=tuple(f"hubspot.{singular}.{what}" for what in gone),
    )


def _then_archived(page: Page) -> Page:
    """Lists and searches leave out what was archived; so that comes after their last page."""
    return page if page.next_cursor else Page(page.rows, f"{ARCHIVED}:")


def _archived(ctx: Context, kind: str, names: Sequence[str], since: datetime | None, after: str) -> Page:
    page = _list(ctx, kind, names, after, archived=True)
    # Marked by the list it stands in: a list without "archived" holds what is there.
    rows = [{**row, "gone": True} for row in page.rows if since is None or _archived_since(row, since)]
    return Page(rows, f"{ARCHIVED}:{page.next_cursor}" if page.next_cursor else None)


def _archived_since(row: Mapping[str, Any], since: datetime) -> bool:
    return _time(row.get("archivedAt") or row.get("updatedAt") or "") >= since


def _list(ctx: Context, kind: str, names: Sequence[str], after: str, *, archived: bool = False) -> Page:
    params = {"limit": PAGE, "properties": ",".join(names), "after": after or None}
    if archived:
        params["archived"] = "true"
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
    return int(_time(value).timestamp() * 1000)


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
