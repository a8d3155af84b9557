"""Many integrations in a hub under measurement, of which some answer late or never; used by the agent."""

import time
from collections.abc import Callable
from typing import Any

from bench.payload import TYPE
from hub.accounts.models import Organization
from hub.connections.models import Integration, Status
from hub.connections.service import save_integration
from hub.delivery.models import QueueItem, State
from hub.delivery.wake import wake
from hub.events.intake import Draft, accept_events
from hub.events.models import Route

#: Which share of the stuck answers after ten seconds; the others never do.
PATHS = ("/late", "/never")
GROUPS = ("well", "stuck")
CHUNK = 500
#: Rate limits are out of the way; everything else is as it ships.
OPTIONS = {"rate_count": 1_000_000, "rate_seconds": 1}

Draw = Callable[[str], Draft]


def make(organization: Organization, sink_port: int, well: int, stuck: int) -> None:
    """Make the integrations, paused, each with a route of its own."""
    address = f"127.0.0.1:{sink_port}"
    for group, count in zip(GROUPS, (well, stuck), strict=True):
        for number in range(count):
            path = PATHS[number % len(PATHS)] if group == "stuck" else "/"
            slug = f"{group}-{number}"
            row = save_integration(
                organization,
                "http",
                name=slug,
                slug=slug,
                auth_key="",
                values={"url": f"http://{address}{path}"},
                options={**OPTIONS, "allowed_hosts": [address]},
            )
            Route.objects.create(
                organization=organization,
                name=slug,
                slug=slug,
                type_pattern=f"{TYPE}.{slug}",
                integration=row,
                action="http.send",
            )
    hold()


def pause(group: str) -> None:
    """Let nothing more of a group go."""
    rows(group).update(status=Status.PAUSED)


def rows(group: str) -> Any:
    """Return the integrations of a group."""
    return Integration.objects.filter(slug__startswith=f"{group}-")


def hold() -> None:
    """Pause them all."""
    for group in GROUPS:
        pause(group)


def release(group: str) -> float:
    """Let a group go; return the moment before."""
    before = time.monotonic()
    rows(group).update(status=Status.ACTIVE)
    wake()
    return before


def fill(organization: Organization, group: str, each: int, draw: Draw) -> int:
    """Accept ``each`` events for every integration of a group, in turns; return how many."""
    slugs = list(rows(group).values_list("slug", flat=True))
    drafts = [draw(slug) for _ in range(each) for slug in slugs]
    for start in range(0, len(drafts), CHUNK):
        accept_events(organization, drafts[start : start + CHUNK])
    return len(drafts)


def wait(group: str, seconds: float) -> dict[str, Any]:
    """Wait until a group has nothing left to deliver, or ``seconds`` passed."""
    ids = list(rows(group).values_list("pk", flat=True))
    items = QueueItem.objects.filter(integration_id__in=ids)
    open_items = items.filter(state__in=[State.PENDING, State.PROCESSING])
    end = time.monotonic() + seconds
    while open_items.exists() and time.monotonic() < end:
        time.sleep(0.02)
    ended = time.monotonic()
    return {"ended": ended, "completed": items.filter(state=State.COMPLETED).count()}


def under_way(group: str) -> int:
    """Return how many deliveries of a group workers hold."""
    return QueueItem.objects.filter(integration__in=rows(group), state=State.PROCESSING).count()
