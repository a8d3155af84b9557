"""Reading suppressions page by page, since a time where one is given."""

from datetime import datetime

from integrations.base.provider import Context, Pull
from integrations.base.results import Page

PAGE = 500


def pull(name: str, label: str, path: str) -> Pull:
    """Declare the reading of one suppression list; the cursor is the offset of the next page."""

    def read(ctx: Context, cursor: str | None, since: datetime | None) -> Page:
        offset = int(cursor or 0)
        start = int(since.timestamp()) if since else None
        rows = ctx.http.get(path, params={"limit": PAGE, "offset": offset, "start_time": start}).json()
        return Page(rows, str(offset + PAGE) if len(rows) >= PAGE else None)

    return Pull(name, label, read, PAGE)
