"""Reading ahead: a thread asks for page after page while those before are written.

Few pages wait at most, so that a crash costs few requests and no memory; each was paid for with a permit
of the integration's rate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition

from django.db import connections

from hub.sync.work import Call, Wait, Work
from integrations.base.results import Page

#: Pages, and rows of them, that wait to be written.
AHEAD, AHEAD_ROWS = 8, 2_000


@dataclass(slots=True)
class Got:
    """A page that was asked for, or why it did not come, and the call that it cost."""

    call: Call
    page: Page | None = None


class Reader:
    """Reads within a ``with`` block, the first page even where the slice is over already."""

    def __init__(self, work: Work, fetch: Callable[[str], Got], cursor: str):
        self._work, self._fetch = work, fetch
        self._changed = Condition()
        self._got: list[Got] = []
        self._stop = self._over = False
        self._raised: BaseException | None = None
        self._cursor = cursor

    def __enter__(self) -> "Reader":
        self._work.threads.submit(self._read_all)
        return self

    def __exit__(self, *raised: object) -> None:
        """Ask for nothing more; a page that is under way is left to itself."""
        self._end()

    def _end(self) -> None:
        with self._changed:
            self._stop = True
            self._changed.notify_all()

    def take(self) -> list[Got]:
        """Wait for a page, and return all that have come; none: nothing more is read.

        Raise what the reading raised, Wait above all, when the pages before it are taken.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._got or self._over)
            got, self._got = self._got, []
            self._changed.notify_all()
        if not got and self._raised:
            raise self._raised
        return got

    def hold_if_wanted(self) -> None:
        """Ask for nothing more where the integration is held by now; what was read is still taken."""
        try:
            self._work.room()
        except Wait:
            self._end()

    def _read_all(self) -> None:
        try:
            while self._read_one() and self._has_room():
                pass
        except BaseException as error:
            self._raised = error
        finally:
            connections.close_all()
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def _read_one(self) -> bool:
        """Read a page; return whether another one follows that may be read now."""
        self._work.permit()
        one = self._fetch(self._cursor)
        self._cursor = (one.page.next_cursor or "") if one.page else ""
        with self._changed:
            self._got.append(one)
            self._changed.notify_all()
        return bool(self._cursor) and not self._work.late

    def _has_room(self) -> bool:
        """Wait until another page may wait; return whether one is wanted."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop or not self._is_full())
            return not self._stop

    def _is_full(self) -> bool:
        rows = sum(len(one.page.rows) for one in self._got if one.page)
        return len(self._got) >= AHEAD or rows >= AHEAD_ROWS
