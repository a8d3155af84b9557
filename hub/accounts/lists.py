"""What every list of the admin shares: rows read at once, an end to turning pages, cheap rows of HTML.

Unfold makes each cell as if it were the only one: it lays out the heads of all columns anew for every row,
and the box to tick by a template. Over fifty rows that was a third of a page's time.
"""

from functools import cache
from typing import Any

from django.contrib import messages
from django.contrib.admin import helpers
from django.http import HttpRequest
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from unfold.admin import checkbox
from unfold.paginator import InfinitePaginator
from unfold.templatetags import unfold_list
from unfold.views import ChangeList

#: Pages that one can turn in a list that counts nothing: the database reads all the rows that are skipped.
DEEPEST = 1_000
_heads_of = unfold_list.result_headers
_MARK = "the-row"


class HubChangeList(ChangeList):
    """A list whose admin is told which rows are shown (``HubAdmin.prepare``)."""

    page_num: int

    def get_results(self, request: HttpRequest) -> None:
        """Read the rows of the page."""
        if issubclass(self.model_admin.paginator, InfinitePaginator) and self.page_num > DEEPEST:
            self.page_num = DEEPEST
            rows = f"{DEEPEST * self.list_per_page:,}"
            messages.warning(
                request, f"This list goes back {rows} rows. A filter or a search finds what is older."
            )
        super().get_results(request)
        self.model_admin.prepare(request, list(self.result_list))


def heads(changelist: Any) -> list[dict[str, Any]]:
    """Return the heads of the columns, laid out once per list."""
    kept: list[dict[str, Any]] | None = getattr(changelist, "_heads", None)
    if kept is None:
        kept = changelist._heads = list(_heads_of(changelist))
    return kept


# There is no other way in: the cells ask for it by this name.
unfold_list.result_headers = heads


def tick_box(value: Any) -> SafeString:
    """Return the box that chooses a row for an action."""
    # Escaped, within what Unfold's own template made.
    return mark_safe(_box().replace(_MARK, escape(str(value))))  # noqa: S308  # nosec B308 B703


@cache
def _box() -> str:
    return str(checkbox.render(helpers.ACTION_CHECKBOX_NAME, _MARK))
