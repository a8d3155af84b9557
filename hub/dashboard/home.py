"""The home page: one look says whether all is well, and what to do where it is not."""

import json
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from hub.accounts.access import may, organizations_for, role_in
from hub.accounts.models import Organization, Role
from hub.connections.models import Integration, Status
from hub.delivery.models import QueueItem, State
from hub.events.models import Event
from hub.lib.html import ago
from hub.metrics.stats import (
    Health,
    Hour,
    Problem,
    hourly_outcomes,
    integration_health,
    latest_problems,
    queue_totals,
)

STATE_WORDS = {
    "ok": "Healthy",
    "unused": "Not used yet",
    "degraded": "Degraded",
    "paused": "Paused",
    "down": "Down",
    "reconnect": "Needs reconnecting",
}
#: Worst first, so that what needs a person stands on top.
ORDER = ("reconnect", "down", "degraded", "paused", "unused", "ok")
#: More problems than these are looked up in the log.
PROBLEMS = 8


def context(request: HttpRequest, frame: dict[str, Any]) -> dict[str, Any]:
    """Return the context of the home page: Unfold's ``DASHBOARD_CALLBACK``."""
    mine = organizations_for(request.user)
    health = sorted(integration_health(mine), key=lambda entry: ORDER.index(entry.state))
    hours = hourly_outcomes(mine)
    return {
        **frame,
        "title": "Home",
        "tiles": _tiles(health, hours, mine),
        "health": [_health_row(request, entry) for entry in health],
        "chart": _chart(hours),
        "has_deliveries": any(hour.total for hour in hours),
        "problems": _problems(request, latest_problems(mine, limit=60)),
        "first_steps": _first_steps(request, mine, health),
    }


def _tiles(health: list[Health], hours: list[Hour], mine: Any) -> list[dict[str, Any]]:
    totals = queue_totals(mine)
    succeeded, attempts = sum(hour.succeeded for hour in hours), sum(hour.total for hour in hours)
    healthy = sum(entry.state in ("ok", "unused") for entry in health)
    oldest = min((entry.oldest_due for entry in health if entry.oldest_due), default=None)
    queue = reverse("admin:delivery_queueitem_changelist")
    late = oldest is not None and timezone.now() - oldest > timedelta(minutes=5)
    return [
        {
            "title": "Integrations healthy",
            "value": f"{healthy} of {len(health)}",
            "note": "all well" if healthy == len(health) else f"{len(health) - healthy} to look at",
            "tone": "" if healthy == len(health) else "warn",
            "url": reverse("admin:connections_integration_changelist"),
        },
        {
            "title": "Waiting in the queue",
            "value": f"{totals.pending:,}",
            "note": f"{totals.processing:,} under way",
            "url": f"{queue}?state__exact={State.PENDING}",
        },
        {
            "title": "Oldest due",
            "value": ago(oldest) if oldest else "nothing late",
            "note": "since it should have gone out" if oldest else "the queue keeps up",
            "tone": "warn" if late else "",
            "url": f"{queue}?state__exact={State.PENDING}",
        },
        {
            "title": "Success rate, 24 h",
            "value": f"{succeeded / attempts * 100:.1f} %".replace(".0 %", " %") if attempts else "–",
            "note": f"{attempts:,} attempt{'' if attempts == 1 else 's'}" if attempts else "no attempts yet",
            "url": reverse("admin:delivery_integrationlog_changelist"),
        },
        {
            "title": "Failed items",
            "value": f"{totals.failed:,}",
            "note": "to retry or cancel" if totals.failed else "nothing to do",
            "tone": "bad" if totals.failed else "",
            "url": f"{queue}?state__exact={State.FAILED}",
        },
    ]


def _health_row(request: HttpRequest, entry: Health) -> dict[str, Any]:
    integration = entry.integration
    return {
        "entry": entry,
        "integration": integration,
        "words": STATE_WORDS[entry.state],
        "url": reverse("admin:connections_integration_change", args=[integration.pk]),
        "remedy": _remedy(request, integration),
    }


def _remedy(request: HttpRequest, integration: Integration, failed: int = 0) -> dict[str, str] | None:
    """Return the one button that helps, if the user may press it."""
    role = role_in(request.user, integration.organization)
    if integration.status == Status.RECONNECT and role is not None and role.covers(Role.ADMIN):
        url = reverse("admin:connections_integration_edit", args=[integration.pk])
        return {"link": url, "label": "Reconnect", "icon": "key"}
    if role is None or not role.covers(Role.OPERATOR):
        return None
    if integration.status == Status.PAUSED:
        return _deed(integration, "resume", "Resume", "play_arrow")
    if failed:
        return _deed(integration, "retry-failed", f"Retry all ({failed})", "replay")
    if integration.test_ok is False:
        return _deed(integration, "test", "Test again", "network_check")
    return None


def _deed(integration: Integration, name: str, label: str, icon: str) -> dict[str, str]:
    url = reverse("admin:connections_integration_do", args=[integration.pk, name])
    return {"url": url, "label": label, "icon": icon}


def _problems(request: HttpRequest, found: list[Problem]) -> list[dict[str, Any]]:
    """Group the same failure of the same integration into one line with a count."""
    groups: dict[tuple[Any, str], dict[str, Any]] = {}
    for problem in found:
        key = (problem.integration.pk, problem.message)
        if key in groups:
            groups[key]["count"] += 1
        elif len(groups) < PROBLEMS:
            groups[key] = {"problem": problem, "count": 1}
    failed = _failed_by_integration({key[0] for key in groups})
    for group in groups.values():
        integration = group["problem"].integration
        group["remedy"] = _remedy(request, integration, failed.get(integration.pk, 0))
        group["url"] = reverse("admin:delivery_integrationlog_change", args=[group["problem"].log_id])
        group["integration_url"] = reverse("admin:connections_integration_change", args=[integration.pk])
    return list(groups.values())


def _failed_by_integration(ids: set[Any]) -> dict[Any, int]:
    rows = QueueItem.objects.filter(integration__in=ids, state=State.FAILED).values_list("integration_id")
    counts: dict[Any, int] = {}
    for (pk,) in rows[:5000]:
        counts[pk] = counts.get(pk, 0) + 1
    return counts


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


def _chart(hours: list[Hour]) -> dict[str, str]:
    """Return data and options of the 24 h chart, as Chart.js takes them."""
    labels = [timezone.localtime(hour.start).strftime("%H:%M") for hour in hours]
    data = {
        "labels": labels,
        "datasets": [
            {
                "label": "Succeeded",
                "data": [hour.succeeded for hour in hours],
                "backgroundColor": "var(--color-primary-500)",
            },
            {"label": "Failed", "data": [hour.failed for hour in hours], "backgroundColor": "#ef4444"},
        ],
    }
    ticks = {"color": "#8b93a1", "maxRotation": 0, "autoSkipPadding": 14}
    options = {
        "responsive": True,
        "maintainAspectRatio": False,
        "animation": False,
        "interaction": {"mode": "index", "intersect": False},
        "barPercentage": 0.85,
        "categoryPercentage": 0.9,
        "borderRadius": 3,
        "plugins": {"legend": {"align": "end", "labels": {"boxWidth": 10, "color": "#8b93a1"}}},
        "scales": {
            "x": {"stacked": True, "grid": {"display": False}, "ticks": ticks},
            "y": {
                "stacked": True,
                "beginAtZero": True,
                "border": {"display": False},
                "ticks": {**ticks, "precision": 0},
                "grid": {"display": True},
            },
        },
    }
    return {"data": json.dumps(data), "options": json.dumps(options)}
