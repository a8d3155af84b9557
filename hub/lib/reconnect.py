"""A first question finds out by itself whether the connection to the database still lives."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connection

Answer = TypeVar("Answer")


def surely(ask: Callable[[], Answer]) -> Answer:
    """Return ``ask()``, which only reads; asked again on a new connection where the old one was lost.

    Django asks ``SELECT 1`` before the first question of each request. Where what follows takes three or four
    round trips, that is one in eight of the time, for a loss that comes once in weeks.
    """
    if connection.in_atomic_block:
        return ask()
    session: Any = connection
    session.health_check_done = True
    try:
        return ask()
    except (OperationalError, InterfaceError):
        if connection.connection is None or connection.is_usable():
            raise
        connection.close()
        return ask()
