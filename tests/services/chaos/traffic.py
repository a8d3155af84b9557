"""Applications that send events to a hub without a break, and never give one up."""

import http.client
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

#: Seconds that an application waits for one answer.
PATIENCE = 20.0


@dataclass
class Traffic:
    """What was accepted: event id by idempotency key, and when; and how long the answers took."""

    url: str
    key: str
    chance: random.Random
    name: str
    accepted: dict[str, str] = field(default_factory=dict)
    at: dict[str, float] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    unanswered: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _number: int = 0

    def run(self) -> None:
        """Send small batches until told to stop; each until it is answered with 202."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=PATIENCE)
        while not self._stop.is_set():
            with self._lock:
                size, pause = self.chance.randint(1, 6), self.chance.uniform(0.02, 0.12)
                keys = [f"{self.name}-{number}" for number in range(self._number, self._number + size)]
                self._number += size
            self._send(connection, keys)
            self._stop.wait(pause)
        connection.close()

    def _send(self, connection: http.client.HTTPConnection, keys: list[str]) -> None:
        events = [{"type": "order.paid", "data": {"key": key}, "idempotency_key": key} for key in keys]
        ends = time.monotonic() + 90
        while time.monotonic() < ends:
            began = time.monotonic()
            answer = self._post(connection, {"events": events})
            self.waits.append(time.monotonic() - began)
            if answer is not None:
                for key, one in zip(keys, answer["events"], strict=True):
                    self.accepted[key], self.at[key] = one["id"], time.monotonic()
                return
            self.unanswered += 1
            time.sleep(0.2)
        raise AssertionError("The hub did not come back within 90 seconds.")

    def _post(self, connection: http.client.HTTPConnection, body: object) -> dict | None:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"}
        try:
            connection.request("POST", "/api/events", json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return None
        if answer.status >= 500:
            return None
        assert answer.status == 202, content
        return dict(json.loads(content))

    def stop(self) -> None:
        """Send no new batches."""
        self._stop.set()


@contextmanager
def sending(traffic: Traffic, senders: int = 3) -> Iterator[Traffic]:
    """Send for as long as the block lasts; at its end all that was sent is answered."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            traffic.run()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, name="application") for _ in range(senders)]
    for thread in threads:
        thread.start()
    try:
        yield traffic
    finally:
        traffic.stop()
        for thread in threads:
            thread.join()
    assert not failures, failures
