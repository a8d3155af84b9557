"""On whose behalf the present code changes things."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Processes of the hub itself: what they change, nobody asked them to.
OWN = ("worker", "scheduler", "runserver", "test")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: ``name`` for people to read; ``user`` where it is an account, ``address`` where known."""

    name: str
    user: Any = None
    address: str = ""
    request_id: str = ""


#: Made only where something is written down: most requests change nothing.
Naming = Callable[[], Actor]
_present: ContextVar[Naming | None] = ContextVar("actor", default=None)


@contextmanager
def acting(actor: Naming | None) -> Iterator[None]:
    """Let what happens within be ``actor()``'s doing."""
    token = _present.set(actor)
    try:
        yield
    finally:
        _present.reset(token)


def begin_acting(actor: Naming | None) -> None:
    """Let what this thread does from now on be ``actor()``'s doing, until another is named."""
    _present.set(actor)


def present() -> Actor:
    """Return who acts now: whoever was named, else the command that runs, else the hub itself."""
    named = _present.get()
    return named() if named else Actor(_process())


def _process() -> str:
    program, command = Path(sys.argv[0]).name, (sys.argv[1:2] or [""])[0]
    if program == "manage.py" and command and command not in OWN:
        return f"Command: manage.py {command}"
    return "The hub itself"
