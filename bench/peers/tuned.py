"""How the Celery peers are set up, the same for all of them."""

import gc
import os
from collections.abc import Iterable, Sequence
from typing import Any

from celery import Celery
from redis import Redis

BROKER = os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:6379/13")
#: What every key of this run begins with, so that all of them can be removed.
PREFIX = os.environ.get("BENCH_RUN", "bench") + ":"
#: After ``celery -A …``: two processes, as the hub has; nothing that talks to other workers.
QUIETLY = ("--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat")
WORKER = ("worker", "--pool", "prefork", "--concurrency", "2", *QUIETLY)
#: The same for a sink that takes its time: threads, which may wait.
WAITING_WORKER = ("worker", "--pool", "threads", "--concurrency", "100", *QUIETLY)


def make_app(name: str, **more: Any) -> Celery:
    """Return an application that keeps no results, sends no events and fetches ahead.

    Without Celery's Django fix-up, which would close the database connection around each task.
    """
    # As the hub's workers do: nobody looks for garbage among what is loaded.
    gc.freeze()
    app = Celery(name, broker=BROKER, set_as_current=False, fixups=())
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=True,
        worker_prefetch_multiplier=16,
        worker_disable_rate_limits=True,
        worker_send_task_events=False,
        task_default_queue=f"bench.{name}",
        task_create_missing_queues=True,
        # Each peer in keys of its own: what one worker is told, the others' must not hear.
        broker_transport_options={"global_keyprefix": f"{PREFIX}{name}:"},
        **more,
    )
    return app


def push_all(task: Any, queue: str, messages: Iterable[Sequence[Any]]) -> None:
    """Put one message per entry into ``queue``, over one connection."""
    with task.app.producer_pool.acquire(block=True) as producer:
        for arguments in messages:
            task.apply_async(args=arguments, queue=queue, producer=producer)


def remove_keys() -> None:
    """Remove what this run left in Redis."""
    with Redis.from_url(BROKER) as redis:
        if keys := list(redis.scan_iter(f"{PREFIX}*", count=1000)):
            redis.delete(*keys)
