"""Runs a module as the hub's process that ends when its supervisor does, however that died.

``python -m hub.supervisor.lifeline <module> <arguments…>``. The supervisor holds the other end of a
pipe; the kernel closes it even after kill -9. The process then gets the same SIGTERM as at a stop.
"""

import os
import runpy
import signal
import sys
import threading
import time

VARIABLE = "HUB_LIFELINE"
#: Seconds to end in good order once the supervisor is gone.
GRACE = 30.0


def hold(pipe: int) -> None:
    """Watch ``pipe`` in a thread; end this process when its other end closes."""
    os.set_inheritable(pipe, False)
    threading.Thread(target=_watch, args=(pipe,), name="lifeline", daemon=True).start()


def _watch(pipe: int) -> None:
    os.read(pipe, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)


if __name__ == "__main__":
    hold(int(os.environ[VARIABLE]))
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
