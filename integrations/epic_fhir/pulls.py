"""Searching page by page; the server's own link leads from one page to the next."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from integrations.base.errors import PermanentError
from integrations.base.provider import Context, Pull
from integrations.base.results import Page
from integrations.epic_fhir.actions import matches

PAGE = 100


def pull(name: str, label: str, kind: str) -> Pull:
    """Declare the reading of one kind of resource; the setting ``<kind>_search`` picks which."""
    setting = f"{kind.lower()}_search"

    def read(ctx: Context, cursor: str | None, since: datetime | None) -> Page:
        if cursor:
            bundle = ctx.http.get(_own_link(ctx, cursor)).json()
        else:
            search = ctx.settings.get(setting)
            if not search:
                raise PermanentError(
                    f"No search is set for {label.lower()}.",
                    hint="Edit the integration and say which are to be read.",
                )
            bundle = ctx.http.get(f"/{kind}", params=[*parse_qsl(str(search)), ("_count", str(PAGE))]).json()
        links = bundle.get("link") or []
        following = next((link.get("url") for link in links if link.get("relation") == "next"), None)
        return Page([row for row in matches(bundle, kind) if _changed(row, since)], following)

    return Pull(name, label, read, PAGE, modified="meta.lastUpdated")


def _own_link(ctx: Context, link: str) -> str:
    """Return the next page's address; raise PermanentError unless it lies on the same server.

    The access token goes with it, so it must not go anywhere else.
    """
    base = urlsplit(ctx.http.base_urls["default"])
    there = urlsplit(link)
    if there.netloc and (there.scheme, there.netloc) != (base.scheme, base.netloc) and not ctx.sandbox:
        raise PermanentError(f"The server's next page lies on another server, {there.hostname}.")
    return link


def _changed(row: dict[str, Any], since: datetime | None) -> bool:
    """Many resources of Epic cannot be searched by their time of change, so it is compared here."""
    stamp = (row.get("meta") or {}).get("lastUpdated")
    if since is None or not stamp:
        return True
    try:
        changed = datetime.fromisoformat(stamp)
    except ValueError:
        return True
    return (changed if changed.tzinfo else changed.replace(tzinfo=UTC)) >= since
