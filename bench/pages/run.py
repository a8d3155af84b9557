"""The part of ``bench.pages`` that runs inside the hub: fill, measure, tell."""

import json
import sys
import time
from typing import Any

from django.core.management import call_command

from bench.pages.measure import AVERAGE, P95, Figure, Visitor
from bench.pages.places import places
from bench.pages.seed import Seed, Size
from bench.report import say
from hub.accounts.models import APIKey, Organization, Scope


def main(asked: dict[str, Any]) -> int:
    """Return 1 where a page is slower than promised."""
    call_command("migrate", interactive=False, verbosity=0)
    visitor = _visitor(asked["scale"])
    if asked["seed_only"]:
        return 0
    say(f"  {'':<56}{'avg ms':>8}{'p95':>8}{'cpu':>8}{'sql':>8}{'no.':>5}{'KiB':>7}")
    figures = []
    for place in places():
        if asked["only"] in place.name:
            figures.append(visitor.look(place, asked["times"]))
            say(figures[-1].line())
    return _told(figures)


def _visitor(scale: float) -> Visitor:
    found = Organization.objects.filter(slug="busy").first()
    if found is not None:
        return Visitor("bench", APIKey.issue(found, "bench", list(Scope))[1])
    began = time.monotonic()
    made = Seed(Size().scaled(scale), say).all()
    say(f"filled in {time.monotonic() - began:.0f} s")
    return Visitor(made["user"], made["key"])


def _told(figures: list[Figure]) -> int:
    slow = [figure for figure in figures if not figure.kept]
    say(f"{len(figures)} places; slower than {AVERAGE:.0f} ms on average or {P95:.0f} ms at p95: {len(slow)}")
    worst = max(figures, key=lambda figure: figure.average, default=None)
    result = {
        "places": len(figures),
        "slow": len(slow),
        "worst_average_ms": worst and round(worst.average, 1),
        "worst_p95_ms": round(max((figure.p95 for figure in figures), default=0), 1),
    }
    say(json.dumps(result))
    return int(bool(slow))


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
