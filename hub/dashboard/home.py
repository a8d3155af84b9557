"""The home page: one look says whether all is well, and what to do where it is not."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from hub.accounts.access import may, shown_organizations
from hub.accounts.models import Organization, Role
from hub.connections.models import Circuit, Status
from hub.dashboard import charts
from hub.dashboard.charts import Span
from hub.dashboard.problems import Problem, furnish, open_problems
from hub.delivery.models import State
from hub.events.models import Event
from hub.lib.html import ago
from hub.lib.sentences import plural
from hub.metrics.figures import Tally
from hub.metrics.stats import Health, integration_health
from hub.metrics.strips import hourly_strips, look
from hub.quality.figures import open_drifts

STATE_WORDS = {
    "ok": "Healthy",
    "unused": "Not used yet",
    "degraded": "Degraded",
    "paused": "Paused",
    "down": "Down",
    "reconnect": "Needs reconnecting",
}
#: How urgent a state is; those of the others are well.
STATE_TONES = {"reconnect": "bad", "down": "bad", "degraded": "warn", "paused": "warn"}
#: Worst first, so that what needs a person stands on top.
ORDER = ("reconnect", "down", "degraded", "paused", "unused", "ok")
#: Days before its end from which a credential needs somebody now.
DAYS_LEFT = 7
#: Seconds that an item may be late before a tile says so.
LATE = 300
#: Integrations whose health is shown at once, and problems; the worst come first.
LINES, PROBLEMS = 12, 12


def context(request: HttpRequest, frame: dict[str, Any]) -> dict[str, Any]:
    """Return the context of the home page: Unfold's ``DASHBOARD_CALLBACK``."""
    mine = shown_organizations(request)
    span = charts.chosen_span(request.GET.get("span", ""))
    labels, figures = charts.read(mine, span)
    health = _health(request)
    found = open_problems(request, health)
    problems = [problem for problem in found if problem.acknowledged is None]
    known = [problem for problem in found if problem.acknowledged is not None]
    furnish(request, [*problems[:PROBLEMS], *known[:PROBLEMS]])
    return {
        **frame,
        "title": "Home",
        "span": span,
        "spans": charts.SPANS,
        "verdict": _verdict(problems, known),
        "tiles": _tiles(health, charts.total(figures), span),
        "charts": charts.charts(labels, figures),
        **_lines(request, health, 0),
        "problems": problems[:PROBLEMS],
        "more_problems": len(problems) - PROBLEMS,
        "acknowledged": known[:PROBLEMS],
        "drifts": open_drifts(mine)[:5],
        "first_steps": _first_steps(request, mine, health),
    }


@require_GET
def live(request: HttpRequest) -> HttpResponse:
    """The part of the home page that is asked for again and again while somebody looks."""
    return TemplateResponse(request, "dashboard/live.html", context(request, {}))


@require_GET
def further(request: HttpRequest) -> HttpResponse:
    """The health of the integrations from the one numbered ``after`` on: a part of the home page."""
    after = request.GET.get("after", "")
    lines = _lines(request, _health(request), int(after) if after.isdecimal() else 0)
    return TemplateResponse(request, "dashboard/health.html", lines)


def _health(request: HttpRequest) -> list[Health]:
    found = integration_health(shown_organizations(request))
    return sorted(found, key=lambda entry: (ORDER.index(entry.state), not entry.failed_items))


def _verdict(problems: list[Problem], known: list[Problem]) -> dict[str, str]:
    """Return the one sentence that says whether all is well."""
    needy = [problem.integration.name for problem in problems if _needs_somebody(problem)]
    if needy:
        names = ", ".join(needy[:3]) + (f" and {len(needy) - 3} more" if len(needy) > 3 else "")
        text = f"{names} {'needs' if len(needy) == 1 else 'need'} somebody."
        return {"tone": "bad", "icon": "error", "text": text, "more": "What happened, and what helps:"}
    ending = [problem for problem in problems if problem.expiry and not problem.errors]
    if problems and len(ending) == len(problems):
        text = "All is well, but a credential ends soon."
        return {"tone": "warn", "icon": "event_busy", "text": text, "more": ""}
    if text := _all_paused(problems):
        return {"tone": "warn", "icon": "pause_circle", "text": text, "more": ""}
    if problems:
        text = "Nothing needs you. Some deliveries failed and are tried again by themselves."
        return {"tone": "warn", "icon": "autorenew", "text": text, "more": ""}
    if known:
        text = f"Nothing new. {plural(len(known), 'integration')} with a problem that somebody knows of."
        return {"tone": "warn", "icon": "done_all", "text": text, "more": ""}
    return {"tone": "good", "icon": "task_alt", "text": "All is well.", "more": "No problem is open."}


def _all_paused(problems: list[Problem]) -> str:
    """Return what to say where each problem is that somebody paused it; else nothing."""
    held = [problem.integration.name for problem in problems if problem.integration.status == Status.PAUSED]
    if not held or len(held) < len(problems):
        return ""
    whose = (
        f"{held[0]} is paused: what it"
        if len(held) == 1
        else f"{len(held)} integrations are paused: what they"
    )
    return f"{whose} should get waits, and nothing is lost."


def _needs_somebody(problem: Problem) -> bool:
    held = problem.integration.status == Status.RECONNECT or problem.integration.circuit == Circuit.OPEN
    ends = problem.expiry is not None and problem.expiry.days < DAYS_LEFT
    failed = problem.health.failed_items > 0 or bool(problem.runs)
    return held or ends or problem.integration.test_ok is False or failed


def _tiles(health: list[Health], figures: Tally, span: Span) -> list[dict[str, Any]]:
    queue = reverse("admin:delivery_queueitem_changelist")
    failed = sum(entry.failed_items for entry in health)
    latency = figures.latency(0.95)
    rate = figures.succeeded / figures.attempts if figures.attempts else None
    refused = figures["webhooks_refused"]
    return [
        _integrations_tile(health),
        _queue_tile(health, f"{queue}?state__exact={State.PENDING}"),
        {
            "title": "Failed deliveries",
            "value": f"{failed:,}",
            "note": "retry or cancel" if failed else "nothing to do",
            "tone": "bad" if failed else "",
            "url": f"{queue}?state__exact={State.FAILED}",
        },
        {
            "title": "Delivered a minute",
            "value": _short(figures.succeeded / span.minutes),
            "note": f"{figures.succeeded:,} in {span.label}",
            "url": reverse("admin:delivery_integrationlog_changelist"),
        },
        {
            "title": "Success rate",
            "value": "–" if rate is None else f"{rate * 100:.1f} %".replace(".0 %", " %"),
            "note": f"of {plural(figures.attempts, 'attempt')}, {span.label}"
            if figures.attempts
            else "no attempts yet",
            "url": f"{reverse('admin:delivery_integrationlog_changelist')}?outcome=problems",
        },
        {
            "title": "Answered within",
            "value": "–" if latency is None else f"{latency:,.0f} ms",
            "note": f"95 % in {span.label}",
            "url": reverse("admin:delivery_integrationlog_changelist"),
        },
        {
            "title": "Webhooks in",
            "value": f"{figures['webhooks_accepted']:,}",
            "note": f"{refused:,} refused, {span.label}" if refused else f"none refused, {span.label}",
            "tone": "warn" if refused else "",
            "url": reverse("admin:webhooks_receivedwebhook_changelist"),
        },
    ]


def _integrations_tile(health: list[Health]) -> dict[str, Any]:
    healthy = sum(entry.state in ("ok", "unused") for entry in health)
    other = [
        (f"{count} {STATE_WORDS[state].lower()}", STATE_TONES[state])
        for state in ORDER
        if state in STATE_TONES and (count := sum(entry.state == state for entry in health))
    ]
    return {
        "title": "Integrations healthy",
        "value": f"{healthy} of {len(health)}",
        "note": "all well",
        "notes": other,
        "url": reverse("admin:connections_integration_changelist"),
    }


def _queue_tile(health: list[Health], url: str) -> dict[str, Any]:
    waiting, under_way = sum(entry.queue_depth for entry in health), sum(entry.in_flight for entry in health)
    oldest = min((entry.oldest_due for entry in health if entry.oldest_due), default=None)
    late = oldest is not None and (timezone.now() - oldest).total_seconds() > LATE
    idle = f"{under_way:,} under way" if under_way else "nothing is due"
    note = f"oldest due {ago(oldest)}" if oldest else idle
    return {
        "title": "Waiting",
        "value": f"{waiting:,}",
        "note": note,
        "tone": "warn" if late else "",
        "url": url,
    }


def _lines(request: HttpRequest, health: list[Health], after: int) -> dict[str, Any]:
    """Return some integrations with their strips, from the one numbered ``after`` on, and what is left."""
    shown = health[after : after + LINES]
    strips = hourly_strips(entry.integration.pk for entry in shown)
    # The hours are the same in every strip.
    starts = {start for strip in strips.values() for start, _ in strip}
    clocks = {start: timezone.localtime(start).strftime("%H:%M") for start in starts}
    lines = [
        {
            "entry": entry,
            "integration": entry.integration,
            "words": STATE_WORDS[entry.state],
            "url": reverse("admin:connections_integration_change", args=[entry.integration.pk]),
            "strip": [_hour(clocks[start], tally) for start, tally in strips[entry.integration.pk]],
        }
        for entry in shown
    ]
    return {"health": lines, "after": after + LINES, "left": max(0, len(health) - after - LINES)}


def _hour(clock: str, tally: Tally) -> dict[str, str]:
    """Return one field of Unfold's tracker."""
    attempts = tally.attempts
    said = f"{tally.succeeded:,} of {plural(attempts, 'attempt')} succeeded" if attempts else "nothing sent"
    return {"color": f"ic-hour-{look(tally)}", "tooltip": f"{clock}: {said}"}


def _first_steps(request: HttpRequest, mine: Any, health: list[Health]) -> dict[str, Any] | None:
    """Return what a new hub needs next; None once events arrive."""
    if Event.objects.filter(organization__in=mine).exists():
        return None
    organization: Organization | None = mine.first()
    return {
        "connected": bool(health),
        "may_admin": may(request.user, organization, Role.ADMIN),
        "url": settings.HUB.url,
        "connect_url": reverse("admin:connections_connect"),
        "keys_url": reverse("admin:accounts_apikey_changelist"),
        "test_event_url": reverse("admin:events_event_send"),
    }


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == 0 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
