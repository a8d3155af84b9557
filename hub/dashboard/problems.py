"""The open problems: what needs somebody now, by integration and error, with the buttons that help.

A problem is open as long as its cause is: a credential that is refused, an open circuit, a failed
connection test, failed deliveries that nobody retried or cancelled, deliveries that are tried again, a sync
whose last run failed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from hub.accounts.access import roles_of
from hub.accounts.models import Organization, Role
from hub.accounts.pages import Deed, Told, register_deed
from hub.connections.expiry import WARN_DAYS, Expiry, expiries
from hub.connections.models import Circuit, Integration, Status
from hub.delivery.models import IntegrationLog, QueueItem, State
from hub.lib.sentences import ended
from hub.metrics.models import Acknowledgement
from hub.metrics.stats import Health, health_of
from hub.sync.failures import failed_runs
from hub.sync.models import SyncRun

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
    #: Not all items were looked through, so ``count`` is the least.
    or_more: bool = False
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
    #: The last runs of its syncs that failed.
    runs: list[SyncRun] = field(default_factory=list)
    more: int = 0
    buttons: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    expiry: Expiry | None = None
    #: Nothing is wrong but that its credential ends.
    ends_only: bool = False
    #: Who said that they know of it, where nothing of it is newer.
    acknowledged: Acknowledgement | None = None

    @property
    def cause(self) -> str:
        """The sentence without its numbers, which change while the cause is the same."""
        return _unnumbered(self.sentence)[:1000]

    def is_covered_by(self, said: Acknowledgement | None) -> bool:
        """Whether nothing has happened that ``said`` did not know of."""
        ends = [*(error.last for error in self.errors), *(run.finished_at for run in self.runs)]
        newest = max((end for end in ends if end), default=None)
        return said is not None and said.cause == self.cause and (newest is None or newest <= said.at)


def open_problems(request: HttpRequest, health: Sequence[Health]) -> list[Problem]:
    """Return the integrations of ``health`` that need somebody; ``furnish`` those shown.

    They stand in its order, and after them those whose credential ends, the nearest end first.
    """
    found = _errors([entry.integration for entry in health if entry.failed_items or entry.queue_depth])
    ends = _ends([entry.integration.organization_id for entry in health])
    runs = failed_runs([entry.integration.pk for entry in health])
    parts = [(entry, entry.integration.pk) for entry in health]
    problems = [_problem(one, found.get(pk, []), ends.get(pk), runs.get(pk, [])) for one, pk in parts]
    needy = [problem for problem in problems if problem.sentence or problem.errors or problem.runs]
    said = Acknowledgement.objects.filter(integration__in=[problem.integration.pk for problem in needy])
    known = {entry.integration_id: entry for entry in said}
    for problem in needy:
        entry = known.get(problem.integration.pk)
        problem.acknowledged = entry if problem.is_covered_by(entry) else None
    needy.sort(key=_end)
    return needy


def _end(problem: Problem) -> float:
    """Return when the credential ends, for sorting; 0 where more is wrong than that."""
    return problem.expiry.at.timestamp() if problem.ends_only and problem.expiry else 0.0


def furnish(request: HttpRequest, problems: Sequence[Problem]) -> None:
    """Give the problems that a page shows their buttons, links and hints: of hundreds it shows a few."""
    _explain([error for problem in problems for error in problem.errors])
    for problem in problems:
        helping = [*buttons(request, problem.health), *_resuming(request, problem)]
        problem.buttons = [*_renewal(request, problem), *helping]
        if problem.buttons and problem.acknowledged is None:
            problem.buttons.append(_deed(problem.integration, "acknowledge", "Acknowledge", "done_all"))
        problem.url = reverse("admin:connections_integration_change", args=[problem.integration.pk])


def buttons(request: HttpRequest, health: Health) -> list[dict[str, str]]:
    """Return the deeds that help and that the user may do, the most helpful first."""
    integration = health.integration
    role = roles_of(request).get(integration.organization_id)
    found = []
    if integration.status == Status.RECONNECT and role is not None and role.covers(Role.ADMIN):
        url = reverse("admin:connections_integration_edit", args=[integration.pk])
        found.append({"link": url, "label": "Reconnect", "icon": "key", "tone": "primary"})
    if role is None or not role.covers(Role.OPERATOR):
        return found
    if integration.status == Status.PAUSED or integration.circuit == Circuit.OPEN:
        ask = reverse("admin:connections_integration_ask", args=[integration.pk, "resume"])
        label = "Resume" if integration.status == Status.PAUSED else "Try now"
        found.append({"link": ask, "label": label, "icon": "play_arrow"})
    if health.failed_items:
        label = f"Retry all ({health.failed_items:,})"
        found.append(_deed(integration, "retry-failed", label, "replay"))
        chosen = f"?state__exact={State.FAILED}&integration={integration.pk}"
        since = reverse("admin:delivery_bulkrun_new") + chosen
        found.append({"link": since, "label": "Recover since …", "icon": "history"})
    if integration.test_ok is False or integration.status == Status.RECONNECT:
        found.append(_deed(integration, "test", "Test again", "network_check"))
    if integration.status == Status.ACTIVE and found:
        found.append(_deed(integration, "pause", "Pause", "pause"))
    return found


def _ends(organizations: Sequence[int]) -> dict[UUID, Expiry]:
    """Return the credentials that end soon, by integration."""
    rows = Organization.objects.filter(pk__in=set(organizations))
    return {end.integration.pk: end for end in expiries(rows, timedelta(days=WARN_DAYS[0]))}


def _renewal(request: HttpRequest, problem: Problem) -> list[dict[str, str]]:
    """Return the button that leads to the form, for admins, where a credential ends."""
    role = roles_of(request).get(problem.integration.organization_id)
    held = problem.integration.status == Status.RECONNECT
    if problem.expiry is None or held or role is None or not role.covers(Role.ADMIN):
        return []
    url = reverse("admin:connections_integration_edit", args=[problem.integration.pk])
    return [{"link": url, "label": "Renew", "icon": "key", "tone": "primary"}]


def _resuming(request: HttpRequest, problem: Problem) -> list[dict[str, str]]:
    """Return the buttons that let the failed runs go on, for operators."""
    role = roles_of(request).get(problem.integration.organization_id)
    if role is None or not role.covers(Role.OPERATOR):
        return []
    return [
        {
            "url": reverse("admin:sync_syncrun_do", args=[run.pk, "resume"]),
            "label": f"Resume {run.sync}",
            "icon": "play_arrow",
        }
        for run in problem.runs
    ]


def _problem(health: Health, errors: list[Errors], expiry: Expiry | None, runs: list[SyncRun]) -> Problem:
    integration = health.integration
    problem = Problem(
        integration,
        health,
        errors=errors[:ERRORS_TOLD],
        runs=runs,
        more=max(0, len(errors) - ERRORS_TOLD),
        expiry=expiry,
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
    if expiry is not None and problem.sentence and integration.status != Status.RECONNECT:
        problem.advice = f"{problem.advice} Its credential {expiry.words}.".strip()
    elif expiry is not None and not problem.sentence:
        problem.sentence = f"Its credential {expiry.words}."
        ended = expiry.at <= timezone.now()
        problem.advice = "Renew it now." if ended else "Renew it in time, and nothing stops."
        problem.ends_only = not errors and not runs
    return problem


def _deliveries(count: int) -> str:
    return f"{count:,} {'delivery is' if count == 1 else 'deliveries are'}"


def _errors(integrations: Sequence[Integration]) -> dict[UUID, list[Errors]]:
    """Return the failures of the integrations' failed and waiting items, the most frequent first."""
    groups: dict[tuple[UUID, str, bool], Errors] = {}
    items = _items(integrations)
    for rows, waiting in ((_failed(items), False), (_tried_again(items), True)):
        # Most of a thousand messages are the same few.
        told: dict[str, tuple[str, str]] = {}
        read = list(rows)
        or_more = len(read) == ITEMS_READ
        for pk, integration, message, at in read:
            text, kind = told.get(message) or told.setdefault(message, _said(message))
            key = (integration, kind, waiting)
            same = groups.get(key) or groups.setdefault(key, Errors(text, pk, at, at, 0, waiting, or_more))
            same.add(at)
    found: dict[UUID, list[Errors]] = {}
    for (integration, _, _), errors in groups.items():
        found.setdefault(integration, []).append(errors)
    for listed in found.values():
        listed.sort(key=lambda errors: (errors.waiting, -errors.count))
    return found


def _said(message: str) -> tuple[str, str]:
    """Return the sentence of a failure, and what is the same of all failures of its kind."""
    text = ended(message or "It failed without a message")
    # The same but for a number (an id, an amount, seconds) is the same failure.
    return text, _unnumbered(text)


def _unnumbered(text: str) -> str:
    return re.sub(r"\d+", "#", text)


_COLUMNS = ("pk", "integration_id", "last_error", Coalesce("finished_at", "created_at"))


def _failed(items: QuerySet[QueueItem]) -> QuerySet[Any, Any]:
    return items.filter(state=State.FAILED).order_by("-id").values_list(*_COLUMNS)[:ITEMS_READ]


def _tried_again(items: QuerySet[QueueItem]) -> QuerySet[Any, Any]:
    rows = items.filter(state=State.PENDING, attempts__gt=0).exclude(last_error="")
    return rows.order_by("-id").values_list(*_COLUMNS)[:ITEMS_READ]


def _items(integrations: Sequence[Integration]) -> QuerySet[QueueItem]:
    # With the organizations by name, so that the index of the states serves and gives the newest first.
    organizations = {integration.organization_id for integration in integrations}
    return QueueItem.objects.filter(organization__in=organizations, integration__in=integrations)


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


def _acknowledge(request: HttpRequest, integration: Integration) -> Told:
    """Keep that somebody knows of what is wrong with ``integration`` now."""
    health = health_of([integration])[0]
    ends = _ends([integration.organization_id]).get(integration.pk)
    pk = integration.pk
    problem = _problem(health, _errors([integration]).get(pk, []), ends, failed_runs([pk]).get(pk, []))
    if not (problem.sentence or problem.errors or problem.runs):
        return Told("Nothing is wrong with it any more.", url=reverse("admin:index"))
    Acknowledgement.objects.update_or_create(
        integration=integration,
        defaults={
            "organization_id": integration.organization_id,
            "cause": problem.cause,
            "by": str(request.user)[:150],
            "at": timezone.now(),
        },
    )
    return Told(f"You know of {integration}'s problem: it is quiet until it happens anew.")


register_deed(Integration, Deed("acknowledge", "Acknowledge", "done_all", run=_acknowledge, shown=False))
