"""The one way an event comes in: checked, kept, and queued for every route that wants it.

An event and its queue items are written in ONE transaction: once ``accept_events`` returns (or, where
the caller has a transaction of its own, once that is committed), nothing is lost. What several
threads bring at the same time is written together, because one commit for all costs each of them a
fraction of its own; each of them waits for that commit, and gets its own answer or error.

The way: ``accept_events`` checks the form → ``_prepared`` reads the routes and schemas once for all who
wait, and ``_routed`` decides → ``_write`` inserts → commit → ``_answers``.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.utils import timezone

from hub.accounts.models import Organization
from hub.accounts.quotas import Quota, QuotaExceeded, quotas_of
from hub.delivery.sources import Envelope
from hub.delivery.wake import wake
from hub.events.drafts import Draft, IntakeError, IntakeProblem, check_drafts
from hub.events.models import EventType
from hub.events.quotas import beyond
from hub.events.routes import routes_of_all
from hub.events.routing import QUEUED, RouteView, decide
from hub.events.schemas import SchemaUnusable, data_reasons
from hub.events.writer import Arrival, Earlier, Rows, join, prepare, write
from hub.lib import logs, tracing
from hub.lib.ids import uuid7
from hub.lib.reconnect import surely
from hub.lib.together import Together, one_writer

__all__ = [
    "Accepted",
    "Answers",
    "Draft",
    "IntakeError",
    "IntakeProblem",
    "Parcel",
    "accept_event",
    "accept_events",
    "accept_parcels",
]

#: Events made ready together; who brings as many, or more, does so alone.
MOST_TOGETHER = 50
#: Events in one transaction of those that wait for SQLite's one writer: about 20 ms of it.
MOST_AT_ONCE = 500

_SCHEMAS = """
    SELECT organization_id, name, schema, on_invalid FROM events_eventtype
    WHERE organization_id IN ({}) AND name IN ({}) AND schema IS NOT NULL
"""

#: Why something is not accepted.
Refusal = IntakeError | QuotaExceeded
#: What each of several callers is told.
Answers = list["list[Accepted] | Refusal"]
#: By organization and type: the schema, and whether what does not fit it is refused.
Schemas = Mapping[tuple[int, str], tuple[object, bool]]


@dataclass(frozen=True, slots=True)
class Accepted:
    """An event that is kept: its id, how many queue items it has, and whether it was here before."""

    event_id: UUID
    items: int
    duplicate: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parcel:
    """Drafts of one organization that belong together; ``webhook_id``: the received webhook's they are of."""

    organization: Organization
    drafts: Sequence[Draft]
    webhook_id: int | None = None


@dataclass(frozen=True, slots=True)
class _Job:
    """What one caller brings: accepted as a whole or not at all."""

    organization_id: int
    drafts: Sequence[Draft]
    origin: str
    webhook_id: int | None
    quotas: tuple[Quota, ...] = ()


class _Ready(NamedTuple):
    """Jobs whose routes are decided: for each its arrivals or why it is refused, and all rows to insert."""

    jobs: Sequence[_Job]
    parts: Sequence[list[Arrival] | Refusal]
    arrivals: Sequence[Arrival]
    rows: Rows
    now: datetime


def accept_event(
    organization: Organization, draft: Draft, *, origin: str = "api", webhook_id: int | None = None
) -> Accepted:
    """Accept one event; see ``accept_events``."""
    return accept_events(organization, [draft], origin=origin, webhook_id=webhook_id)[0]


def accept_events(
    organization: Organization,
    drafts: Sequence[Draft],
    *,
    origin: str = "api",
    webhook_id: int | None = None,
) -> list[Accepted]:
    """Keep ``drafts`` and queue their deliveries, all or none; one answer each, in their order.

    An idempotency key that the organization has used before (or earlier in the batch) names the
    event of then: nothing new is made. Raises IntakeError naming every field that is wrong, and
    QuotaExceeded where the organization has a quota that the new ones do not fit into. The number of
    queries does not depend on the size of the batch but for the inserts' chunks.
    """
    if not drafts:
        return []
    accepted = _together.do(_job(Parcel(organization, drafts, webhook_id), origin), len(drafts))
    _accepted(accepted, drafts, origin)
    return accepted


def accept_parcels(
    parcels: Sequence[Parcel], *, origin: str, then: Callable[[Answers], object] = lambda answers: None
) -> Answers:
    """Keep what several brought in one transaction, and do in it what shall be kept with that.

    Each parcel is accepted as a whole or not at all; one that is not has, in its place, what
    ``accept_events`` would have raised for it. ``then`` is called with the answers before the commit;
    where it raises, nothing is kept.
    """
    answers: Answers = [[] for _ in parcels]
    jobs: dict[int, _Job] = {}
    for number, parcel in enumerate(parcels):
        try:
            if parcel.drafts:
                jobs[number] = _job(parcel, origin)
        except IntakeError as error:
            answers[number] = error

    def keep(told: Answers) -> None:
        for number, answer in zip(jobs, told, strict=True):
            answers[number] = answer
        then(answers)

    if jobs:
        _write(_prepared([*jobs.values()]), keep)
    else:
        with one_writer(), transaction.atomic():
            keep([])
    for parcel, answer in zip(parcels, answers, strict=True):
        if not isinstance(answer, Exception):
            _accepted(answer, parcel.drafts, origin)
    return answers


def _job(parcel: Parcel, origin: str) -> _Job:
    """Check the form; raise IntakeError."""
    organization, drafts = parcel.organization, parcel.drafts
    if problems := check_drafts(drafts, timezone.now()):
        raise IntakeError(problems)
    return _Job(organization.pk, drafts, origin, parcel.webhook_id, quotas_of(organization))


def _accepted(accepted: Sequence[Accepted], drafts: Sequence[Draft], origin: str) -> None:
    if logs.traffic.isEnabledFor(logging.INFO):
        _tell(accepted, origin)
    if tracing.tracing():
        _trace(accepted, drafts)


def _trace(accepted: Sequence[Accepted], drafts: Sequence[Draft]) -> None:
    for one, draft in zip(accepted, drafts, strict=True):
        if not one.duplicate:
            tracing.event_accepted(one.event_id, draft.type)


def _tell(accepted: Sequence[Accepted], origin: str) -> None:
    for one in accepted:
        facts = {"event": str(one.event_id), "items": one.items, "duplicate": one.duplicate, "origin": origin}
        logs.traffic.info("Event accepted", extra={"facts": facts})


def _accept_group(jobs: Sequence[_Job]) -> Answers:
    ready = _prepared(jobs)
    if connection.vendor == "postgresql":
        return _write(ready)
    # Only one can write at a time: those who wait for it go together.
    return _writing.do(ready, len(ready.arrivals))


def _prepared(jobs: Sequence[_Job]) -> _Ready:
    """Do what can be done before the transaction (on SQLite, before the one write lock)."""
    schemas = surely(lambda: _schemas(jobs))
    routes = routes_of_all([job.organization_id for job in jobs])
    now = timezone.now()
    parts: list[list[Arrival] | Refusal] = []
    for job in jobs:
        try:
            warnings = _check_schemas(job, schemas)
        except IntakeError as error:
            parts.append(error)
            continue
        parts.append(_routed(job, routes[job.organization_id], warnings, now))
        # Each a microsecond later than the one before: the order of the batch is kept.
        now += timedelta(microseconds=len(job.drafts))
    arrivals = _all_of(parts)
    return _Ready(jobs, parts, arrivals, prepare(arrivals), now)


def _write(ready: _Ready, then: Callable[[Answers], object] = lambda answers: None) -> Answers:
    jobs, parts, arrivals, rows, now = ready
    with one_writer(), transaction.atomic():
        if refused := _beyond_quotas(jobs, parts, now):
            parts = [refused.get(number, part) for number, part in enumerate(parts)]
            arrivals = _all_of(parts)
            rows = prepare(arrivals)
        earlier, queued = write(arrivals, rows)
        answers: Answers = [
            part if isinstance(part, Exception) else _answers(part, earlier) for part in parts
        ]
        then(answers)
        if queued:
            transaction.on_commit(wake, robust=True)
    return answers


def _write_all(many: Sequence[_Ready]) -> list[Answers]:
    """Write what several have made ready, as if one had brought it all."""
    answers = iter(
        _write(
            _Ready(
                [job for ready in many for job in ready.jobs],
                [part for ready in many for part in ready.parts],
                [arrival for ready in many for arrival in ready.arrivals],
                join([ready.rows for ready in many]),
                max(ready.now for ready in many),
            )
        )
    )
    return [[next(answers) for _ in ready.jobs] for ready in many]


def _all_of(prepared: Sequence[list[Arrival] | Refusal]) -> list[Arrival]:
    return [arrival for part in prepared if not isinstance(part, Exception) for arrival in part]


def _beyond_quotas(
    jobs: Sequence[_Job], prepared: Sequence[list[Arrival] | Refusal], now: datetime
) -> dict[int, QuotaExceeded]:
    """Return which jobs their organization has no quota left for; asks nothing where none has a quota."""
    quotas = {job.organization_id: job.quotas for job in jobs if job.quotas}
    if not quotas:
        return {}
    parts = {
        number: part
        for number, part in enumerate(prepared)
        if not isinstance(part, Exception) and jobs[number].organization_id in quotas
    }
    return beyond(parts, quotas, now)


_together: Together[_Job, list[Accepted]] = Together(_accept_group, most=MOST_TOGETHER)
_writing: Together[_Ready, Answers] = Together(_write_all, most=MOST_AT_ONCE)


def _schemas(jobs: Sequence[_Job]) -> Schemas:
    """Return the schemas of the types that the jobs bring."""
    organizations = sorted({job.organization_id for job in jobs})
    types = sorted({draft.type for job in jobs for draft in job.drafts})
    places = ", ".join(["%s"] * len(organizations)), ", ".join(["%s"] * len(types))
    with connection.cursor() as cursor:
        cursor.execute(_SCHEMAS.format(*places), [*organizations, *types])
        return {
            (organization_id, name): (orjson.loads(schema), on_invalid == EventType.OnInvalid.REJECT)
            for organization_id, name, schema, on_invalid in cursor.fetchall()
        }


def _check_schemas(job: _Job, schemas: Schemas) -> dict[int, list[str]]:
    """Hold the drafts against the schemas of their types; return the warnings by position."""
    warnings: dict[int, list[str]] = {}
    refused: list[IntakeProblem] = []
    for index, draft in enumerate(job.drafts if schemas else ()):
        schema, refuses = schemas.get((job.organization_id, draft.type), (None, False))
        if schema is None:
            continue
        try:
            reasons = data_reasons(schema, draft.data)
        except SchemaUnusable as error:
            # A broken schema is the hub's fault, not the sender's: the event is never refused for it.
            warnings[index] = [str(error)]
            continue
        if refuses:
            refused += [_refusal(index, reason) for reason in reasons]
        else:
            warnings[index] = reasons
    if refused:
        raise IntakeError(refused)
    return warnings


def _refusal(index: int, reason: str) -> IntakeProblem:
    path, _, message = reason.partition(": ")
    return IntakeProblem(index, path, f"{message} (the event type's JSON Schema)")


def _routed(
    job: _Job, routes: Sequence[RouteView], warnings: Mapping[int, list[str]], now: datetime
) -> list[Arrival]:
    """Give each draft its id, and ask the routes."""
    arrivals = []
    for index, draft in enumerate(job.drafts):
        at = now + timedelta(microseconds=index)
        envelope = Envelope(uuid7(), draft.type, draft.subject, draft.source, draft.time or at, draft.data)
        decisions = decide(routes, envelope.as_dict())
        told = [*draft.warnings, *warnings.get(index, ())]
        arrivals.append(
            Arrival(envelope.id, job.organization_id, draft, decisions, told, job.origin, job.webhook_id, at)
        )
    return arrivals


def _answers(arrivals: Sequence[Arrival], earlier: Earlier) -> list[Accepted]:
    return [_answer(arrival, earlier) for arrival in arrivals]


def _answer(arrival: Arrival, earlier: Earlier) -> Accepted:
    if arrival.is_repeated(earlier):
        event_id, routing = earlier[arrival.key]
        return Accepted(event_id, sum(entry["outcome"] == QUEUED for entry in routing), duplicate=True)
    return Accepted(arrival.id, len(arrival.queued), warnings=tuple(arrival.warnings))
