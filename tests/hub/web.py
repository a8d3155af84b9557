"""A web process as it runs in production, on the test database, for tests that are hard on it."""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
from typing import Any

import orjson
from django.conf import settings
from django.db import connection

from tests.hub.running import PATIENCE, free_port

COMMAND = (
    "--interface",
    "wsgi",
    "--workers",
    "1",
    "--blocking-threads",
    "16",
    "--no-ws",
    "--log-level",
    "error",
)


def database_url() -> str:
    """The test database, as another process finds it."""
    held = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{held['NAME']}"
    place = f"{held['HOST'] or '127.0.0.1'}:{held['PORT'] or 5432}"
    return f"postgres://{held['USER']}:{held['PASSWORD']}@{place}/{held['NAME']}"


class Web:
    """A web process of the hub on the test database. ``extra``: more of its environment."""

    def __init__(self, **extra: str) -> None:
        self.port = free_port()
        env = {
            **os.environ,
            **extra,
            "DJANGO_SETTINGS_MODULE": "hub.settings",
            "HUB_DATABASE_URL": database_url(),
            "HUB_HOME": str(settings.HUB.home),
        }
        command = [
            sys.executable,
            "-m",
            "granian",
            *COMMAND,
            "--port",
            str(self.port),
            "hub.wsgi:application",
        ]
        self._process = subprocess.Popen(command, env=env, start_new_session=True)

    def answers(self) -> bool:
        """Whether it is up."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.connect().post("/healthz", b"", {}, method="GET")[0] == 200
        return False

    def connect(self) -> "Line":
        """Open a connection that is kept."""
        return Line(self.port)

    def kill(self) -> None:
        """End it and what it started, without a word."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Line:
    """One connection, used again and again."""

    def __init__(self, port: int):
        self._line = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def post(
        self, path: str, body: bytes, headers: dict[str, str], method: str = "POST"
    ) -> tuple[int, dict[str, Any]]:
        """Return status and answer; raise OSError or HTTPException where there is none."""
        self._line.request(method, path, body, {"Content-Type": "application/json", **headers})
        answer = self._line.getresponse()
        told = answer.read()
        return answer.status, orjson.loads(told) if told.startswith(b"{") else {}
