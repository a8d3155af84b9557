"""Peer: bare Celery over Redis. The message carries the event; nothing is kept and nothing logged."""

from collections.abc import Sequence
from typing import Any

import requests

from bench.peers.tuned import make_app, push_all

app = make_app("bare")
_session = requests.Session()


@app.task(name="bench.post")
def post(url: str, data: dict[str, Any]) -> None:
    """Post one event."""
    body = {"type": "bench.order", "timestamp": "2026-01-31T12:00:00Z", "data": data}
    _session.post(url, json=body, timeout=10).raise_for_status()


def push(queue: str, messages: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Put a message per (address, data) into ``queue``."""
    push_all(post, queue, messages)
