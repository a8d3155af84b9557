"""Reading ahead: a few pages at most, in their order, and nothing after the end."""

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from hub.sync import pull as pulling
from hub.sync.ahead import AHEAD, AHEAD_ROWS, Got, Reader
from hub.sync.models import SyncRun
from hub.sync.run import run_until_idle
from hub.sync.starting import start
from hub.sync.work import Call, Wait
from integrations.base.results import Page
from tests.hub.sync.conftest import Crm


def got(number: int, following: str | None, rows: int = 1) -> Got:
    return Got(Call("read", "", 0, timezone.now()), Page([{"id": number}] * rows, following))


class Work(SimpleNamespace):
    """What a reader needs of a run under way."""

    def __init__(self, **more: Any):
        super().__init__(late=False, permit=lambda: None, room=lambda: 1, **more)
        self.threads = SimpleNamespace(submit=lambda run: threading.Thread(target=run, daemon=True).start())


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize(("rows", "most"), [(1, AHEAD), (AHEAD_ROWS // 2, 2), (AHEAD_ROWS, 1)])
@pytest.mark.django_db
def test_few_pages_wait_and_none_is_left_out(rows: int, most: int):
    asked: list[str] = []

    def fetch(cursor: str) -> Got:
        asked.append(cursor)
        number = int(cursor or 0)
        return got(number, str(number + 1) if number < 20 else None, rows)

    taken: list[int] = []
    with Reader(Work(), fetch, "") as reader:
        until(lambda: len(asked) >= most)
        time.sleep(0.05)
        assert len(asked) == most
        while batch := reader.take():
            assert len(batch) <= most
            taken += [one.page.rows[0]["id"] for one in batch if one.page]
    assert taken == list(range(21))


@pytest.mark.django_db
def test_a_limit_is_told_when_what_came_before_is_taken():
    limit, left = Wait("Waits: the limit.", timezone.now()), [1, 1]

    def permit() -> None:
        if not left:
            raise limit
        return left.pop()

    work = Work()
    work.permit = permit
    with Reader(work, lambda cursor: got(1, "more"), "") as reader:
        until(lambda: reader._over)
        assert len(reader.take()) == 2
        with pytest.raises(Wait, match="the limit"):
            reader.take()


@pytest.mark.django_db
def test_nothing_more_is_asked_for_once_the_integration_is_held_or_the_block_is_left():
    asked: list[str] = []

    def fetch(cursor: str) -> Got:
        asked.append(cursor)
        return got(1, "more", AHEAD_ROWS)

    def held() -> int:
        raise Wait("Waits: paused.", timezone.now())

    work = Work()
    work.room = held
    with Reader(work, fetch, "") as reader:
        assert len(reader.take()) == 1
        reader.hold_if_wanted()
        until(lambda: reader._over)
        left = reader.take()
        assert reader.take() == []
    assert len(asked) == 1 + len(left)
    with Reader(Work(), fetch, "") as reader:
        until(lambda: len(asked) == 2 + len(left))
    until(lambda: reader._over)
    assert len(asked) == 2 + len(left)


@pytest.mark.django_db
def test_pages_are_read_while_others_are_written(pull: Any, crm: Crm, monkeypatch: pytest.MonkeyPatch):
    """The second page comes only once the first is being written, and comes while it is."""
    crm.pages = [[{"id": str(n), "name": f"N{n}"}] for n in range(3)]
    writing, came = threading.Event(), threading.Event()
    fetch, settle = pulling._fetch, pulling._settle

    def read(work: Any, source: Any, cursor: str) -> Got:
        if cursor:
            assert writing.wait(20)
        page = fetch(work, source, cursor)
        if cursor:
            came.set()
        return page

    def write(*parts: Any) -> None:
        writing.set()
        assert came.wait(20)
        settle(*parts)

    monkeypatch.setattr(pulling, "_fetch", read)
    monkeypatch.setattr(pulling, "_settle", write)
    start(pull)
    run_until_idle()
    assert SyncRun.objects.get().created == 3
