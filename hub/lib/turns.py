"""How soon one thread lets another go on."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Seconds. The usual five milliseconds, at each of the steps that a request takes while another thread
#: counts, cost more than many a provider needs for its answer, and let calls arrive later after their
#: permit than a limit of calls a second has room for.
SHORT = 0.0005

_lock = threading.Lock()
_asking = 0
_usual = sys.getswitchinterval()


@contextmanager
def short_turns() -> Iterator[None]:
    """Have threads of this process take shorter turns, as long as anybody asks for it."""
    global _asking
    with _lock:
        _asking += 1
        sys.setswitchinterval(SHORT)
    try:
        yield
    finally:
        with _lock:
            _asking -= 1
            if not _asking:
                sys.setswitchinterval(_usual)
