"""An embedded hub whose disk is full: it says so to whoever sends, and goes on when there is room again."""

import random
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.hub.running import Hub, running_hub, short_home, wait_until
from tests.hub.test_kill import api_key, manage, rows
from tests.services.chaos.report import report
from tests.services.chaos.traffic import Traffic, sending
from tests.services.sink import listening

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]

OPEN = "select count(*) from delivery_queueitem where state in ('pending', 'processing')"
MEGABYTES = 24


class Disk:
    """A small one. ``fill`` leaves no byte, ``free`` makes room again."""

    def __init__(self, home: Path):
        self.home = home
        self.mounted = not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=700", "interchange", str(home)],
            capture_output=True,
        ).returncode

    def fill(self, hub: Hub) -> None:
        if self.mounted:
            self._fill_up()
        else:  # only root may mount; this makes every further write of the hub's fail, too
            self._limit(hub, 0)

    def free(self, hub: Hub) -> None:
        (self.home / "ballast").unlink(missing_ok=True)
        if not self.mounted:
            self._limit(hub, resource.RLIM_INFINITY)

    def end(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.home)], check=True)

    def _fill_up(self) -> None:
        with (self.home / "ballast").open("ab", buffering=0) as ballast:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while ballast.write(bytes(size)):
                        pass
                except OSError:
                    continue

    def _limit(self, hub: Hub, size: int) -> None:
        for pid in hub.pids("granian|django worker"):
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


@contextmanager
def small_disk() -> Iterator[Disk]:
    with short_home() as home:
        disk = Disk(home)
        try:
            yield disk
        finally:
            disk.end()


def test_the_disk_is_full_for_a_while(chance: random.Random) -> None:
    with (
        listening() as sink,
        small_disk() as disk,
        running_hub(disk.home, HUB_DEMO="0", HUB_LEASE_SECONDS="20") as hub,
    ):
        document = {
            "organization": {"slug": "acme"},
            "integrations": [
                {
                    "slug": "sink",
                    "provider": "http",
                    "settings": {"url": sink.url},
                    "allowed_hosts": [sink.host],
                    "limits": {"rate_count": 1000, "rate_seconds": 1},
                }
            ],
            "routes": [{"slug": "all", "events": "*", "integration": "sink", "action": "http.send"}],
        }
        manage(hub, "apply", "-", given=yaml.safe_dump(document))
        traffic = Traffic(hub.url, api_key(hub), chance, "disk")
        with sending(traffic):
            time.sleep(chance.uniform(1.0, 2.0))
            disk.fill(hub)
            wait_until(lambda: traffic.unanswered > 5, "the hub to refuse what it cannot keep", 30)
            before = len(traffic.accepted)
            time.sleep(chance.uniform(2.0, 4.0))
            disk.free(hub)
            freed = time.monotonic()
            wait_until(lambda: len(traffic.accepted) > before + 20, "the hub to take events again", 40)
            again = time.monotonic() - freed
        wait_until(lambda: rows(disk.home, OPEN) == [(0,)], "the queue to empty", 60)
        events = {key for (key,) in rows(disk.home, "select idempotency_key from events_event")}
        assert set(traffic.accepted) <= events, "what was answered with 202 is there"
        items = rows(disk.home, "select id, state from delivery_queueitem")
        assert {state for _, state in items} == {"completed"}
        arrived = {key for key in sink.keys if not key.startswith("test_")}
        assert arrived == {f"hub_{item.replace('-', '')}" for item, _ in items}
        repeated = sum(sink.keys[key] - 1 for key in arrived)
        assert repeated == 0, "nobody was killed, nothing is told twice"
        report(
            f"disk full ({'tmpfs' if disk.mounted else 'limit'})",
            f"{len(items)} accepted, delivered {len(items)} times (0 repeated)",
            f"taking events again {again:.1f} s after there was room",
            f"{traffic.unanswered} refused meanwhile",
        )
