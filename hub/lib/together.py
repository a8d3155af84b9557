"""Group commit: what many callers bring at the same time is done in one go.

A commit that survives a power cut waits for the disk, and on SQLite only one can be under way. One
transaction per caller makes the callers wait for each other; one transaction for all who wait costs
each of them a fraction.
"""

import contextlib
import fcntl
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Generic, TypeVar

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)
Job = TypeVar("Job")
Outcome = TypeVar("Outcome")


_writing = threading.Lock()
#: Seconds between two looks whether another process is through, and after which none is waited for.
LOOK_AGAIN, PATIENCE = 0.0003, 2.0


@contextlib.contextmanager
def one_writer() -> Iterator[None]:
    """Let only one thread of the machine in where the database takes only one writer (SQLite).

    Its own way of waiting for the write lock is to sleep and look again, up to 100 ms at a time.
    Begin the transaction within; prepare before what can be prepared.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    session: Any = connection
    # A database in memory has no file, and no other process.
    others = (
        contextlib.nullcontext() if session.is_in_memory_db() else one_process(session.settings_dict["NAME"])
    )
    with _writing, others:
        yield


@contextlib.contextmanager
def one_process(database: str | os.PathLike[str]) -> Iterator[None]:
    """Wait until no other process is in; no longer than ``PATIENCE``, for one may hang. Then SQLite decides.

    ``database``: path of its file. The system lets go of the lock of a process that ends, however it ends.
    """
    try:
        file = _lock_file(os.fspath(database), os.getpid())
    except OSError:  # a disk that is full, a folder that cannot be written: it is about speed only
        yield
        return
    ends = time.monotonic() + PATIENCE
    while not (ours := _locked(file)) and time.monotonic() < ends:
        time.sleep(LOOK_AGAIN)
    try:
        yield
    finally:
        if ours:
            fcntl.flock(file, fcntl.LOCK_UN)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@lru_cache(maxsize=8)
def _lock_file(database: str, process: int) -> int:
    """Return a file of this process, which a forked one must not share: its lock would be both's."""
    return os.open(f"{database}-writer", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


class _Caller(Generic[Job, Outcome]):
    """One who waits: its job, and what became of it."""

    __slots__ = ("error", "job", "outcome", "settled", "size", "turn")

    def __init__(self, job: Job, size: int):
        self.job, self.size = job, size
        self.settled = False
        self.outcome: Outcome
        self.error: BaseException | None = None
        #: Held until the job is settled, or it is this caller's turn to work.
        self.turn = threading.Lock()
        self.turn.acquire()

    def settle(self, outcome: Outcome | BaseException) -> None:
        if isinstance(outcome, BaseException):
            self.error = outcome
        else:
            self.outcome = outcome
        self.settled = True
        self.turn.release()


class Together(Generic[Job, Outcome]):
    """Does jobs in groups, in the threads of those who bring them.

    Who finds nobody at work works at once, for itself and for all who wait by then; whoever comes
    meanwhile waits, and when the work is done the first of those works for the next group. So a lone
    caller waits for nobody, there is no thread to look after, and a group is as large as the load.
    """

    def __init__(self, work: Callable[[Sequence[Job]], Sequence[Outcome | Exception]], *, most: int):
        """``work`` does jobs in one transaction, and returns one outcome per job, in their order: a
        value, or the exception that its caller shall see. Where it raises, nothing was done.

        ``most``: the sum of the jobs' sizes from which a group takes no more jobs: who comes just too
        late for one group waits no longer than that takes.
        """
        self._work, self._most = work, most
        self._lock = threading.Lock()
        self._waiting: deque[_Caller[Job, Outcome]] = deque()
        self._busy = False

    def do(self, job: Job, size: int = 1) -> Outcome:
        """Return the job's outcome once it is committed; raise what became of it otherwise.

        In a transaction of the caller's own the job is done there and then, alone: it is kept, or
        not, with the rest of that transaction. A job as large as a group is done alone as well: it
        would gain nothing by waiting.
        """
        caller: _Caller[Job, Outcome] = _Caller(job, size)
        if connection.in_atomic_block:
            caller.settle(*self._work([job]))
        elif size >= self._most:
            caller.settle(*self._done([job]))
        else:
            self._wait(caller)
        if caller.error is not None:
            raise caller.error
        return caller.outcome

    def _wait(self, caller: _Caller[Job, Outcome]) -> None:
        """Return when the caller is settled, by another one's work or by its own."""
        with self._lock:
            self._waiting.append(caller)
            follow, self._busy = self._busy, True
        if follow:
            caller.turn.acquire()
        if not caller.settled:
            self._lead()

    def _lead(self) -> None:
        """Work for a group that the caller is in: it is the first of those who wait."""
        group = self._next_group()
        outcomes: Sequence[Outcome | BaseException]
        try:
            outcomes = self._done([caller.job for caller in group])
        except BaseException as error:  # also a thread that is being ended must let the others go
            outcomes = [error] * len(group)
        # The next group's work begins before this one's callers go on.
        with self._lock:
            following = self._waiting[0] if self._waiting else None
            self._busy = following is not None
        if following is not None:
            following.turn.release()
        for caller, outcome in zip(group, outcomes, strict=True):
            caller.settle(outcome)

    def _done(self, jobs: Sequence[Job]) -> Sequence[Outcome | Exception]:
        """Do the jobs together; where that cannot be, each alone, so that one's error is nobody else's."""
        try:
            return self._work(jobs)
        except (OperationalError, InterfaceError):
            raise  # the database is away or overwhelmed: that is true for each of them
        except Exception as error:
            if len(jobs) > 1:
                logger.info("%s jobs are done one by one: %s", len(jobs), error)
            # Also a single one: what it leaned on may just have been deleted by somebody else.
            return [self._done_alone(job) for job in jobs]

    def _done_alone(self, job: Job) -> Outcome | Exception:
        try:
            (outcome,) = self._work([job])
        except Exception as error:
            return error
        return outcome

    def _next_group(self) -> list[_Caller[Job, Outcome]]:
        group: list[_Caller[Job, Outcome]] = []
        size = 0
        with self._lock:
            while self._waiting and (not group or size + self._waiting[0].size <= self._most):
                group.append(self._waiting.popleft())
                size += group[-1].size
        return group
