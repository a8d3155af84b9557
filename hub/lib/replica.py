"""The admin's long lists may be read from a copy of the database, so that looking costs deliveries nothing.

Only what a list shows comes from there, and only while a list is made: who may see what, and whatever is
changed, is always asked of the database itself. While the copy is away, the lists do without it.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import InterfaceError, OperationalError, connections
from django.db.models import Model
from django.http import HttpRequest, HttpResponse

from hub.lib.shared import Absence

logger = logging.getLogger(__name__)
ALIAS = "replica"
#: Apps whose rows grow with the traffic.
LISTED = frozenset({"delivery", "events", "webhooks", "sync"})
_reading: ContextVar[bool] = ContextVar("reading_from_replica", default=False)
_away = Absence()


class ReplicaRouter:
    """Sends reads of traffic to the copy while a list is made; everything else to the database."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        """Return the copy's alias, or None for no opinion."""
        return ALIAS if _reading.get() and model._meta.app_label in LISTED else None

    def db_for_write(self, model: type[Model], **hints: Any) -> str:
        """The database itself, also for rows that came from the copy."""
        return "default"

    def allow_relation(self, first: Model, second: Model, **hints: Any) -> bool:
        """They are the same rows."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        """The copy gets its tables from the database."""
        return False if db == ALIAS else None


def list_from_replica(request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
    """Return what ``view`` answers, read from the copy where there is one and somebody only looks."""
    if ALIAS not in connections or request.method not in ("GET", "HEAD") or _away.lasts():
        return view()
    try:
        with _from_replica():
            answer = view()
            # Templates ask the database: they have to be filled in here.
            render = getattr(answer, "render", None)
            if callable(render):
                render()
    except (OperationalError, InterfaceError) as error:
        _away.begin()
        logger.warning("The replica does not answer (%s): lists are read from the database.", error)
        return view()
    _away.end()
    return answer


@contextmanager
def _from_replica() -> Iterator[None]:
    token = _reading.set(True)
    try:
        yield
    finally:
        _reading.reset(token)
