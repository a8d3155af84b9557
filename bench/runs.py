"""The runs about delivery: how many in a second, how soon, at what cost."""

from typing import Any

from bench.figures import latency, tidy
from bench.hub import START, Hub, Sink
from bench.peers.tuned import WORKER
from bench.processes import Crew, cpu_seconds, memory_mib, until

#: Messages with which a peer's processes warm up.
WARM = 200


def delivery(hub: Hub, sink: Sink, count: int, *, to: str = "fast", seconds: float = 30.0) -> dict[str, Any]:
    """Queue ``count`` events while the integration is paused, let go, and wait for the last to settle."""
    hub.do("clear")
    hub.do("preload", name=to, count=count)
    sink.reset()
    before = hub.cpu()
    started = hub.do("release", name=to)
    told = hub.do("wait", name=to, seconds=seconds)
    used = hub.cpu() - before
    hub.do("hold", name=to)
    took = told["ended"] - started
    done = told["completed"]
    return {
        "per_s": tidy(done / took, 0),
        "count": done,
        "seconds": tidy(took, 3),
        "worker_cpu_us_each": tidy(used / max(1, done) * 1e6, 0),
        "logged": told["logged"],
        "arrived": sink.count(),
        "repeated": sink.repeated(),
        "left": told["left"],
    }


def gentle(hub: Hub, sink: Sink, per_second: float, seconds: float, *, to: str = "fast") -> dict[str, Any]:
    """Accept events at a steady rate and see how soon after the commit each reaches the sink."""
    hub.do("clear")
    hub.do("release", name=to)
    hub.do("accept", name=to, per_second=per_second, seconds=0.5)
    sink.reset()
    before = hub.cpu()
    accepted = hub.do("accept", name=to, per_second=per_second, seconds=seconds)
    told = hub.do("wait", name=to, seconds=5)
    used = hub.cpu() - before
    arrived = sink.arrivals()
    hub.do("hold", name=to)
    waited = [arrived[number] - commit for number, commit in accepted if number in arrived]
    return {
        **latency(waited),
        "count": len(accepted),
        "missing": len(accepted) - len(waited),
        "left": told["left"],
        "worker_cpu_ms_each": tidy(used / len(accepted) * 1000, 2),
    }


def celery_peer(
    crew: Crew, hub: Hub, sink: Sink, peer: str, module: str, count: int, *, seconds: float = 20.0
) -> dict[str, Any]:
    """Start a peer's worker, warm it up, fill its queue, let go, and wait for the last message."""
    warm, work = f"bench.{crew.folder.name}.{peer}.warm", f"bench.{crew.folder.name}.{peer}.work"
    hub.do("clear")
    env = {**hub.env, "DJANGO_SETTINGS_MODULE": "bench.peers.settings"}
    worker = crew.start(
        f"peer-{peer}", "bench.within", "celery", "-A", module, *WORKER, "--queues", warm, env=env
    )
    try:
        sink.reset()
        _fill(hub, sink, peer, warm, WARM)
        until(lambda: worker.check() or sink.count() >= WARM, f"the peer {peer} to warm up", START)
        hub.do("clear")
        _fill(hub, sink, peer, work, count)
        sink.reset()
        pids = worker.pids
        before = cpu_seconds(pids)
        started = hub.do("consume", peer=peer, queue=work)
        arrived = _watch(hub, sink, peer, count, seconds)
        used = cpu_seconds(pids) - before
    finally:
        worker.stop()
        hub.do("purge", peer=peer, queues=[warm, work])
    took = arrived["ended"] - started
    return {
        "per_s": tidy(arrived["completed"] / took, 0),
        "count": arrived["completed"],
        "seconds": tidy(took, 3),
        "worker_cpu_us_each": tidy(used / max(1, arrived["completed"]) * 1e6, 0),
        "left": count - arrived["completed"],
    }


def _fill(hub: Hub, sink: Sink, peer: str, queue: str, count: int) -> None:
    if peer == "task":
        hub.do("preload", name="parked" if queue.endswith("warm") else "fast", count=count)
    hub.do("push", peer=peer, queue=queue, count=count, url=sink.url)


def _watch(hub: Hub, sink: Sink, peer: str, count: int, seconds: float) -> dict[str, Any]:
    if peer == "task":
        return dict(hub.do("wait", name="fast", seconds=seconds))
    return sink.wait_for(count, seconds)


def memory(hub: Hub, sink: Sink, count: int, rounds: int) -> dict[str, Any]:
    """Deliver ``rounds`` times ``count`` events; tell the workers' memory after the first and the last."""
    seen = []
    for _ in range(rounds):
        delivery(hub, sink, count, seconds=120)
        seen.append([memory_mib([pid]) for pid in hub.pids()])
    return {
        "deliveries": rounds * count,
        "first_mib": seen[0],
        "last_mib": seen[-1],
        "growth_percent": tidy((sum(seen[-1]) / sum(seen[0]) - 1) * 100, 1),
    }
