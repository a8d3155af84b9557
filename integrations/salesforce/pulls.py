"""Reading objects by SOQL: what changed, oldest first, with what was deleted (the recycle bin's)."""

from collections.abc import Sequence
from datetime import UTC, datetime

from integrations.base.errors import PermanentError
from integrations.base.provider import Context, Pull
from integrations.base.results import Page

#: Records that Salesforce gives at once.
PAGE = 2000
ALWAYS = ("Id", "IsDeleted", "SystemModstamp")


def pull(name: str, label: str, kind: str, wanted: str) -> Pull:
    """Declare the reading of one object; ``wanted``: its fields, beside those the form adds."""

    def read(ctx: Context, cursor: str | None, since: datetime | None) -> Page:
        if cursor:
            answer = ctx.http.get(_own(cursor), host="instance").json()
        else:
            extra = ctx.settings.get(f"{name}_fields") or []
            names = list(dict.fromkeys([*ALWAYS, *wanted.split(), *extra]))
            answer = ctx.http.get("/queryAll/", params={"q": _soql(kind, names, since)}).json()
        following = None if answer.get("done", True) else answer.get("nextRecordsUrl")
        rows = [
            {field: value for field, value in row.items() if field != "attributes"}
            for row in answer.get("records") or []
        ]
        return Page(rows, following)

    return Pull(name, label, read, PAGE, deleted="IsDeleted", modified="SystemModstamp")


def _soql(kind: str, names: Sequence[str], since: datetime | None) -> str:
    changed = f"WHERE SystemModstamp >= {since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if since else ""
    parts = ["SELECT", ", ".join(names), "FROM", kind, changed, "ORDER BY SystemModstamp, Id"]
    return " ".join(part for part in parts if part)


def _own(link: str) -> str:
    """Return the next page's path; raise PermanentError unless it is one of this server."""
    if not link.startswith("/services/data/"):
        raise PermanentError("Salesforce's next page lies outside of its data API, so it is not read.")
    return link
