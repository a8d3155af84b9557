"""``python -m hub.supervisor``: what ``make run`` starts."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from types import FrameType

from hub.supervisor.child import Child, Printer
from hub.supervisor.home import ROOT, Options, Problem, make_home, make_keys, missing_key, read_options

#: Seconds that the processes get to stop in good order.
DEADLINE = 30.0
#: Deaths of the web process before its first answer after which the start is given up.
HOPELESS = 3
EVERY_IPV4 = socket.inet_ntoa(b"\0\0\0\0")
#: Exit code of ``manage.py prepare`` for keys that do not open the data.
WRONG_KEY = 3


def main() -> int:
    """Run until told to stop; return the exit code."""
    try:
        options = read_options(os.environ)
        make_home(options.home)
        prepare(options)
    except Problem as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return Supervisor(options).run()


def prepare(options: Options) -> None:
    """Make keys and have ``manage.py prepare`` do the rest; raise Problem where that cannot be done."""
    new_key = make_keys(options.home, os.environ)
    done = subprocess.run(  # nosec B603
        [sys.executable, "-m", "django", "prepare"], cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode == 0:
        sys.stderr.write(done.stderr)
        return
    key_file = options.home / "encryption.key"
    if done.returncode == WRONG_KEY and new_key:
        key_file.unlink()
        if os.environ.get("HUB_LOST_KEYS"):
            raise Problem(done.stderr.strip())
        raise missing_key(key_file, "that HUB_DATABASE_URL names")
    if "Traceback" not in done.stderr:
        raise Problem(done.stderr.strip())
    story = options.home / "prepare.log"
    story.write_text(done.stderr, encoding="utf-8")
    last = done.stderr.strip().splitlines()[-1]
    raise Problem(f"The hub could not be prepared: {last}\nThe whole story is in {story}.")


def processes(options: Options) -> list[Child]:
    """Return the processes of this hub, in the order of starting."""
    # One process with a pool of threads: it shares one copy of the code, and live pages that
    # wait for news hold a thread each, not a process.
    web = ["--interface", "wsgi", "--host", options.host, "--port", str(options.port)]
    web += ["--workers", "1", "--blocking-threads", os.environ.get("HUB_WEB_THREADS", "16")]
    web += ["--no-ws", "--log-level", "error", "--workers-kill-timeout", "10", "hub.wsgi:application"]
    sandbox = Child("sandbox", "integrations.base.sandbox", ["--port", str(options.sandbox_port)])
    if options.embedded:
        # The scheduler is a thread of the worker: a process of its own would cost 100 MiB to wait in.
        workers = [Child("worker", "django", ["worker", "--with-scheduler"])]
    else:
        celery = ["-A", "hub"]
        workers = [
            Child("worker", "celery", [*celery, "worker", "--loglevel", "info"]),
            Child("scheduler", "celery", [*celery, "beat", "--loglevel", "info"]),
        ]
    return [sandbox, Child("web", "granian", web), *workers]


class Supervisor:
    """Keeps the processes running until a signal says stop."""

    def __init__(self, options: Options):
        self._options = options
        self._children = processes(options)
        self._printer = Printer(sys.stdout)
        self._stop = threading.Event()
        self._asked = 0.0
        self._impatient = False
        self._answered = False

    def run(self) -> int:
        """Start everything, watch it, stop it; return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        # The processes hold the reading end; only this process holds the writing one.
        lifeline, _held = os.pipe()
        for child in self._children:
            child.start(self._printer, lifeline)
        code = self._watch(lifeline)
        self._shut_down()
        return code

    def _watch(self, lifeline: int) -> int:
        web = next(child for child in self._children if child.name == "web")
        while not self._stop.wait(0.2):
            for child in self._children:
                child.look_after(self._printer, lifeline)
            if not self._answered and answers(self._options.host, self._options.port):
                self._answered = True
                self._printer.line("hub", f"Interchange is running at {self._options.url}/ (Ctrl-C stops it)")
            if not self._answered and web.deaths >= HOPELESS:
                self._printer.line("hub", "The web process does not start; its lines above say why.")
                return 1
        return 0

    def _shut_down(self) -> None:
        self._printer.line(
            "hub", "Stopping: what is under way is finished or given back. Ctrl-C again kills."
        )
        end = time.monotonic() + DEADLINE
        # The sandbox goes last, because deliveries under way may still need its answers.
        first = [child for child in self._children if child.name != "sandbox"]
        for group in (first, [child for child in self._children if child.name == "sandbox"]):
            for child in group:
                child.ask_to_stop()
            for child in group:
                if not self._wait_for(child, end):
                    self._printer.line(
                        "hub", f"The {child.name} process did not stop in time and was killed."
                    )
                child.kill()
        self._printer.line("hub", "Stopped.")

    def _wait_for(self, child: Child, end: float) -> bool:
        while time.monotonic() < end and not self._impatient:
            if child.stopped_within(0.1):
                return True
        return child.stopped_within(0)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """Stop. A second Ctrl-C means at once; what comes within a second is the first one, sent twice."""
        now = time.monotonic()
        if self._stop.is_set():
            self._impatient = self._impatient or (number == signal.SIGINT and now - self._asked > 1)
            return
        self._asked = now
        self._stop.set()


def answers(host: str, port: int) -> bool:
    """Whether the web process answers ``/healthz``."""
    # Listening on every address, it answers on its own as well.
    address = {EVERY_IPV4: "127.0.0.1", "::": "::1"}.get(host, host)
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=2) as connection:
        connection.sendall(request)
        status = connection.recv(64).split()[1:2]
        return bool(status) and status[0] < b"500"
    return False


if __name__ == "__main__":
    sys.exit(main())
