"""The open problems: what needs somebody now, by integration and error, with the buttons that help.

A problem is open as long as its cause is: a credential that is refused, an open circuit, a failed
connection test, failed deliveries that nobody retried or cancelled, deliveries that are tried again.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from hub.accounts.access import role_in
from hub.accounts.models import Role
from hub.connections.models import Circuit, Integration, Status
from hub.delivery.models import IntegrationLog, QueueItem, State
from hub.metrics.stats import Health

#: Newest failed, and newest waiting items that are looked through; more than these count as "or more".
ITEMS_READ = 1_000
#: Kinds of failure told per integration.
ERRORS_TOLD = 4


@dataclass(slots=True)
class Errors:
    """The same failure of several items. ``sample``: the newest of them."""

    message: str
    sample: UUID
    first: datetime
    last: datetime
    count: int = 0
    waiting: bool = False
    log_url: str = ""
    hint: str = ""

    def add(self, at: datetime) -> None:
        """Count one more."""
        self.count += 1
        self.first, self.last = min(self.first, at), max(self.last, at)


@dataclass(slots=True)
class Problem:
    """All that is wrong with one integration now."""

    integration: Integration
    health: Health
    sentence: str = ""
    advice: str = ""
    errors: list[Errors] = field(default_factory=list)
    more: int = 0
    buttons: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


def open_problems(request: HttpRequest, health: Sequence[Health]) -> list[Problem]:
    """Return the integrations of ``health`` that need somebody, in its order."""
    ids = [entry.integration.pk for entry in health if entry.failed_items or entry.queue_depth]
    found = _errors(ids)
    problems = [_problem(entry, found.get(entry.integration.pk, [])) for entry in health]
    needy = [problem for problem in problems if problem.sentence or problem.errors]
    _explain([error for problem in needy for error in problem.errors])
    for problem in needy:
        problem.buttons = buttons(request, problem.health)
        problem.url = reverse("admin:connections_integration_change", args=[problem.integration.pk])
    return needy


def buttons(request: HttpRequest, health: Health) -> list[dict[str, str]]:
    """Return the deeds that help and that the user may do, the most helpful first."""
    integration = health.integration
    role = role_in(request.user, integration.organization)
    found = []
    if integration.status == Status.RECONNECT and role is not None and role.covers(Role.ADMIN):
        url = reverse("admin:connections_integration_edit", args=[integration.pk])
        found.append({"link": url, "label": "Reconnect", "icon": "key", "tone": "primary"})
    if role is None or not role.covers(Role.OPERATOR):
        return found
    if integration.status == Status.PAUSED:
        found.append(_deed(integration, "resume", "Resume", "play_arrow"))
    elif integration.circuit == Circuit.OPEN:
        found.append(_deed(integration, "resume", "Try now", "play_arrow"))
    if health.failed_items:
        label = f"Retry all ({health.failed_items:,})"
        found.append(_deed(integration, "retry-failed", label, "replay"))
    if integration.test_ok is False or integration.status == Status.RECONNECT:
        found.append(_deed(integration, "test", "Test again", "network_check"))
    if integration.status == Status.ACTIVE and found:
        found.append(_deed(integration, "pause", "Pause", "pause"))
    return found


def _problem(health: Health, errors: list[Errors]) -> Problem:
    integration = health.integration
    problem = Problem(
        integration, health, errors=errors[:ERRORS_TOLD], more=max(0, len(errors) - ERRORS_TOLD)
    )
    if integration.status == Status.RECONNECT:
        problem.sentence = f"Its credential is refused: {health.sentence}"
        problem.advice = "Reconnect it; its queue is held until then and nothing is lost."
    elif integration.status == Status.PAUSED and health.queue_depth:
        problem.sentence = health.sentence
        problem.advice = f"{_deliveries(health.queue_depth)} held. Resume it when you are ready."
    elif integration.circuit == Circuit.OPEN:
        problem.sentence = health.sentence
        problem.advice = "It recovers by itself; if it lasts, look at the provider's status page."
    elif integration.test_ok is False:
        problem.sentence = health.sentence
    return problem


def _deliveries(count: int) -> str:
    return f"{count:,} {'delivery is' if count == 1 else 'deliveries are'}"


def _errors(ids: Sequence[UUID]) -> dict[UUID, list[Errors]]:
    """Return the failures of the integrations' failed and waiting items, the most frequent first."""
    groups: dict[tuple[UUID, str, bool], Errors] = {}
    for rows, waiting in ((_failed(ids), False), (_tried_again(ids), True)):
        for pk, integration, message, finished, made in rows:
            text = _sentence(message or "It failed without a message")
            at = finished or made
            # The same but for a number (an id, an amount, seconds) is the same failure.
            key = (integration, re.sub(r"\d+", "#", text), waiting)
            groups.setdefault(key, Errors(text, pk, at, at, waiting=waiting)).add(at)
    found: dict[UUID, list[Errors]] = {}
    for (integration, _, _), errors in groups.items():
        found.setdefault(integration, []).append(errors)
    for listed in found.values():
        listed.sort(key=lambda errors: (errors.waiting, -errors.count))
    return found


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…", "”")) else f"{text}."


_COLUMNS = ("pk", "integration_id", "last_error", "finished_at", "created_at")


def _failed(ids: Sequence[UUID]) -> QuerySet[Any, Any]:
    # With the organizations, so that the index of the states serves.
    return _items(ids).filter(state=State.FAILED).order_by("-id").values_list(*_COLUMNS)[:ITEMS_READ]


def _tried_again(ids: Sequence[UUID]) -> QuerySet[Any, Any]:
    rows = _items(ids).filter(state=State.PENDING, attempts__gt=0).exclude(last_error="")
    return rows.order_by("-id").values_list(*_COLUMNS)[:ITEMS_READ]


def _items(ids: Sequence[UUID]) -> QuerySet[QueueItem]:
    organizations = Integration.objects.filter(pk__in=ids).values("organization_id")
    return QueueItem.objects.filter(organization__in=organizations, integration__in=ids)


def _explain(errors: Sequence[Errors]) -> None:
    """Give each failure the hint and the log entry of its newest item."""
    logs = IntegrationLog.objects.filter(item_id__in=[error.sample for error in errors]).exclude(outcome="ok")
    latest = {item: (pk, hint) for item, pk, hint in logs.order_by("pk").values_list("item_id", "pk", "hint")}
    for error in errors:
        pk, error.hint = latest.get(error.sample, (None, ""))
        page = "admin:delivery_integrationlog_change" if pk else "admin:delivery_queueitem_change"
        error.log_url = reverse(page, args=[pk or error.sample])


def _deed(integration: Integration, name: str, label: str, icon: str) -> dict[str, str]:
    url = reverse("admin:connections_integration_do", args=[integration.pk, name])
    return {"url": url, "label": label, "icon": icon}
