"""Whether those who answer late or never hold up the others: ``python -m bench --only fairness``.

200 integrations, of which 20 answer after 10 s (every second of them) or never. What the other 180 get done
is measured alone, and again while the 20 have more to deliver than they can take.
"""

from typing import Any

from bench.figures import latency, ratio, tidy
from bench.hub import Hub, Sink
from bench.processes import Crew, until

WELL, STUCK = 180, 20
#: Deliveries that each of the 180 has, and each of the 20.
EACH, STUCK_EACH = 40, 60
#: Events a second, and for how many seconds, of which the latency is taken.
RATE, SECONDS = 100, 6.0
#: As many of the stuck are under way before anything is measured.
TAKEN = 20


def fairness(crew: Crew, hub: Hub, sink: Sink, count: int) -> dict[str, Any]:
    """Return throughput and p99 of the 180 alone and beside the 20, and their ratios (1: nothing lost).

    ``count``: deliveries of each of the 180, if not as many as here.
    """
    hub.workers_ready()
    hub.do("crowd", call="make", sink_port=sink.port, well=WELL, stuck=STUCK)
    each = count or EACH
    # Once for nothing: connections are opened and code is loaded.
    _through(hub, sink, 5)
    alone, soon_alone = _through(hub, sink, each), _soon(hub, sink)
    hub.do("crowd", call="fill", group="stuck", each=STUCK_EACH)
    hub.do("crowd", call="release", group="stuck")
    until(lambda: hub.do("crowd", call="under_way", group="stuck") >= TAKEN, "the stuck to begin", 15)
    held = hub.do("crowd", call="under_way", group="stuck")
    soon_beside, beside = _soon(hub, sink), _through(hub, sink, each)
    hub.do("crowd", call="hold")
    return {
        "throughput_ratio": ratio(beside, alone),
        "p99_ratio": ratio(soon_alone["p99_ms"], soon_beside["p99_ms"]),
        "alone_per_s": tidy(alone, 0),
        "beside_per_s": tidy(beside, 0),
        "alone_p50_ms": soon_alone["p50_ms"],
        "beside_p50_ms": soon_beside["p50_ms"],
        "alone_p99_ms": soon_alone["p99_ms"],
        "beside_p99_ms": soon_beside["p99_ms"],
        "missing": soon_alone["missing"] + soon_beside["missing"],
        "stuck_held": held,
        "alone_cpu_us": soon_alone["cpu_us"],
        "beside_cpu_us": soon_beside["cpu_us"],
    }


def _through(hub: Hub, sink: Sink, each: int) -> float:
    """Deliver ``each`` to every one of the 180; return how many a second."""
    hub.do("crowd", call="pause", group="well")
    before = hub.do("crowd", call="wait", group="well", seconds=0)["completed"]
    hub.do("crowd", call="fill", group="well", each=each)
    sink.reset()
    started = hub.do("crowd", call="release", group="well")
    told = hub.do("crowd", call="wait", group="well", seconds=20)
    return float((told["completed"] - before) / (told["ended"] - started))


def _soon(hub: Hub, sink: Sink) -> dict[str, Any]:
    """Accept for the 180 in turns at a steady rate; return how soon each was at the sink."""
    hub.do("crowd", call="release", group="well")
    names = [f"well-{number}" for number in range(WELL)]
    hub.do("accept_in_turns", names=names, per_second=RATE, seconds=1.0)
    sink.reset()
    before = hub.cpu()
    accepted = hub.do("accept_in_turns", names=names, per_second=RATE, seconds=SECONDS)
    used = hub.cpu() - before
    hub.do("crowd", call="wait", group="well", seconds=5)
    arrived = sink.arrivals()
    waited = [arrived[number] - commit for number, commit in accepted if number in arrived]
    return {
        **latency(waited),
        "missing": len(accepted) - len(waited),
        "cpu_us": tidy(used / len(accepted) * 1e6, 0),
    }
