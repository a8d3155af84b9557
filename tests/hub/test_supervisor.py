"""The supervisor: what it refuses to start with, what it keeps running, how it stops."""

import os
import re
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.supervisor.home import Problem, make_home, read_dotenv, read_port
from tests.hub.running import Hub, alive, running_hub, short_home, start_expecting_refusal, wait_until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def home() -> Iterator[Path]:
    with short_home() as folder:
        yield folder


def refused(done: object, *words: str) -> None:
    """The start was refused in plain words, without a traceback."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_a_taken_port_is_named_with_the_way_out(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = start_expecting_refusal(home, PORT=str(port))
    refused(done, f"Port {port} is taken", "make run PORT=")
    assert not any(home.iterdir()), "nothing is made before the port is known to be free"


@pytest.mark.parametrize("text", ["", "0", "65536", "http", "-1", "80 80"])
def test_a_port_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Problem, match="1 to 65535"):
        read_port(text)


def test_a_database_without_its_key_is_not_started(home: Path) -> None:
    (home / "hub.sqlite3").write_bytes(b"SQLite format 3\0")
    done = start_expecting_refusal(home)
    refused(done, "encryption key is missing", "encryption.key", "Put the file back")
    assert not (home / "encryption.key").exists(), "a new key would make the loss permanent"


def test_a_folder_that_cannot_be_written_is_named(home: Path) -> None:
    (home / "file").write_text("")
    refused(start_expecting_refusal(home / "file"), str(home / "file"), "HUB_HOME")


def test_two_supervisors_do_not_share_a_folder(home: Path) -> None:
    held = make_home(home)
    refused(start_expecting_refusal(home), "Another Interchange is running", "HUB_HOME")
    os.close(held)


def test_the_environment_wins_over_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "# a comment\nexport HUB_PORT='9001'\nHUB_HOST=\"::1\"\nHUB_URL=http://a?b=c\n"
    )
    environ = {"HUB_PORT": "9000"}
    read_dotenv(tmp_path / ".env", environ)
    assert environ == {"HUB_PORT": "9000", "HUB_HOST": "::1", "HUB_URL": "http://a?b=c"}


def test_a_hub_from_its_first_start_to_its_last(home: Path) -> None:
    """One hub is started several times, because a start costs seconds."""
    with running_hub(home, HUB_DEMO="0") as hub:
        check_first_start(hub)
        check_restarts(hub)
        left = hub.pids()
        assert hub.stop() == 0
        assert hub.says("Stopped."), hub.output
        wait_until(lambda: not any(map(alive, left)), "all processes to end")

    with running_hub(home, HUB_DEMO="0") as hub:
        assert not hub.says("Password"), "a second start keeps the password and does not print it"
        left = hub.pids()
        hub.process.kill()
        wait_until(lambda: not any(map(alive, left)), "the processes of a killed supervisor to end", 60)

    (home / "encryption.key").write_text("d3Jvbmcta2V5LXdyb25nLWtleS13cm9uZy1rZXktd3I\n")
    refused(start_expecting_refusal(home), "key", "does not fit")


def check_first_start(hub: Hub) -> None:
    password = next(line for line in hub.lines if "Password" in line).split()[-1]
    assert len(password) >= 20
    assert hub.answers()
    assert len(re.findall(r"http://\S+", hub.output)) == 1, "one URL is printed"
    assert stat.S_IMODE(hub.home.stat().st_mode) == 0o700
    for name in ("encryption.key", "secret.key"):
        assert stat.S_IMODE((hub.home / name).stat().st_mode) == 0o600


def check_restarts(hub: Hub) -> None:
    for word, name in (("django worker", "worker"), ("granian", "web"), ("sandbox", "sandbox")):
        killed = hub.kill(word)
        wait_until(lambda name=name: hub.says(f"The {name} process ended"), f"the death of the {name}")
        wait_until(lambda word=word, old=killed: set(hub.pids(word)) - {old}, f"a new {name}")
    wait_until(hub.answers, "the web process to answer again")


def test_ctrl_c_stops_a_hub_that_is_still_starting(home: Path) -> None:
    hub = Hub(home, HUB_DEMO="0")
    wait_until(lambda: hub.pids("granian") or hub.process.poll() is not None, "the processes to start")
    left = hub.pids()
    assert hub.stop(signal.SIGINT) == 0
    wait_until(lambda: not any(map(alive, left)), "all processes to end")
