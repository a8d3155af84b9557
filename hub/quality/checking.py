"""All records of a type against its rules: a window at a time, each a short transaction of its own, so that
nothing else waits. What came of it is rolled up once; pages and the API only read that."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from hub.quality.models import Offender, QualityCheck, QualityPoint, QualityRule, RuleKind
from hub.quality.rules import broken
from hub.sync.models import ExternalLink, Record, RecordType
from hub.sync.records import LOOKED_UP

#: Records of one step, and seconds that the scheduler's job may take at a time.
WINDOW = 1_000
SLICE = 1.0
LEASE = timedelta(seconds=60)
#: A type is checked again after so long, and at once where somebody asks or a rule changes.
AGAIN_AFTER = timedelta(hours=6)
#: Offenders of a rule that are kept; more are counted.
MAX_OFFENDERS = 1_000
#: Values of a field that stand in several records: the most that are told.
MAX_TWICE = 50_000
HISTORY = 90

_TWICE = {
    "postgresql": "SELECT data #>> %s FROM sync_record WHERE type_id = %s AND NOT deleted "
    "GROUP BY 1 HAVING count(*) > 1 LIMIT %s",
    "sqlite": "SELECT json_extract(data, %s) FROM sync_record WHERE type_id = %s AND NOT deleted "
    "GROUP BY 1 HAVING count(*) > 1 LIMIT %s",
}
#: By check, generation and rule: what the unique rules of a check under way need at every step.
_known_twice: dict[tuple[int, int, int], set[str]] = {}


def want(record_type: RecordType) -> None:
    """Let the type be checked soon."""
    QualityCheck.objects.update_or_create({"wanted": True}, type=record_type)


def work(longest: float = SLICE) -> int:
    """Go on with checks for up to ``longest`` seconds; return how many steps were made. A scheduled job."""
    ends, steps = time.monotonic() + longest, 0
    while time.monotonic() < ends and (check := _claim(timezone.now())) is not None:
        while step(check):
            steps += 1
            if time.monotonic() >= ends:
                QualityCheck.objects.filter(pk=check.pk).update(lease_until=None)
                return steps
        steps += 1
    return steps


def step(check: QualityCheck) -> bool:
    """Check a window of records; return whether there are more. The last one writes the score."""
    rules = list(QualityRule.objects.filter(type=check.type_id, enabled=True))
    rows = Record.objects.filter(type=check.type_id, deleted=False, pk__gt=check.cursor).order_by("pk")
    window = list(rows.only("pk", "data", "changed_at")[:WINDOW])
    if not window:
        _finish(check)
        return False
    now = timezone.now()
    tally = check.tally or {"checked": 0, "good": 0, "failing": {}, "held": {}}
    offenders, bad = _judge(check, rules, window, tally, now)
    tally["checked"] += len(window)
    tally["good"] += len(window) - len(bad)
    _count_held(tally["held"], [record.pk for record in window], bad)
    with transaction.atomic():
        mine = QualityCheck.objects.filter(pk=check.pk, generation=check.generation, running=True)
        if not mine.update(cursor=window[-1].pk, tally=tally, lease_until=now + LEASE):
            return False
        Offender.objects.bulk_create(offenders)
    check.cursor, check.tally = window[-1].pk, tally
    return True


def _claim(now: datetime) -> QualityCheck | None:
    """Begin the check that is due, or go on with one that nobody holds."""
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    due = Q(running=True) | Q(wanted=True) | Q(checked_at__lt=now - AGAIN_AFTER)
    with transaction.atomic():
        rows = QualityCheck.objects.select_for_update(skip_locked=True).filter(
            free & due, pk__in=_with_rules()
        )
        check = rows.order_by("-running", "checked_at").first()
        if check is None:
            return None
        if not check.running or check.wanted:
            check.generation += 1
            check.running, check.wanted, check.cursor, check.tally = True, False, 0, {}
        check.lease_until = now + LEASE
        check.save(update_fields=["generation", "running", "wanted", "cursor", "tally", "lease_until"])
    return check


def _with_rules() -> Any:
    ruled = QualityRule.objects.values("type")
    return QualityCheck.objects.filter(type__in=ruled).values("pk")


def _judge(
    check: QualityCheck, rules: Sequence[QualityRule], window: Sequence[Record], tally: Any, now: datetime
) -> tuple[list[Offender], set[int]]:
    failing = tally["failing"]
    offenders: list[Offender] = []
    bad: set[int] = set()
    for rule in rules:
        twice = _twice(check, rule) if rule.kind == RuleKind.UNIQUE else set()
        for record in window:
            data = record.data if isinstance(record.data, dict) else {}
            reason = broken(rule, data, record.changed_at, now, twice)
            if not reason:
                continue
            bad.add(record.pk)
            count = failing[str(rule.pk)] = failing.get(str(rule.pk), 0) + 1
            if count <= MAX_OFFENDERS:
                told = {"rule": rule, "record_id": record.pk, "reason": reason[:300]}
                offenders.append(Offender(**told, generation=check.generation))
    return offenders, bad


def _count_held(held: dict[str, list[int]], ids: Sequence[int], bad: set[int]) -> None:
    for start in range(0, len(ids), LOOKED_UP):
        links = ExternalLink.objects.filter(record__in=ids[start : start + LOOKED_UP])
        for record, integration in links.values_list("record_id", "integration_id"):
            counts = held.setdefault(str(integration), [0, 0])
            counts[0] += 1
            counts[1] += record not in bad


def _twice(check: QualityCheck, rule: QualityRule) -> set[str]:
    """Return the values that several records have; one reading statement per check, which locks nothing."""
    name = (check.pk, check.generation, rule.pk)
    if name not in _known_twice:
        for old in [key for key in _known_twice if key[0] == check.pk and key[1] != check.generation]:
            del _known_twice[old]
        parts = rule.field.split(".")
        quoted = "".join(f'."{part}"' for part in parts)
        path: Any = parts if connection.vendor == "postgresql" else f"${quoted}"
        with connection.cursor() as cursor:
            cursor.execute(_TWICE[connection.vendor], [path, check.type_id, MAX_TWICE])
            _known_twice[name] = {str(row[0]) for row in cursor.fetchall() if row[0] not in (None, "")}
    return _known_twice[name]


def _finish(check: QualityCheck) -> None:
    tally = check.tally or {"checked": 0, "good": 0, "failing": {}, "held": {}}
    now = timezone.now()
    with transaction.atomic():
        mine = QualityCheck.objects.filter(pk=check.pk, generation=check.generation, running=True)
        written = mine.update(running=False, lease_until=None, tally={}, cursor=0, checked_at=now, **tally)
        if not written:
            return
        _remember(check.type_id, None, tally["checked"], tally["good"], now)
        for integration, (held, good) in tally["held"].items():
            _remember(check.type_id, UUID(integration), held, good, now)
    for key in [key for key in _known_twice if key[0] == check.pk]:
        del _known_twice[key]
    _forget_offenders(check)


def _remember(type_id: int, integration: UUID | None, checked: int, good: int, now: datetime) -> None:
    rows = QualityPoint.objects.filter(type=type_id, integration=integration)
    day = timezone.localdate(now)
    if not rows.filter(day=day).update(checked=checked, good=good):
        QualityPoint.objects.create(
            type_id=type_id, integration_id=integration, day=day, checked=checked, good=good
        )
    rows.filter(day__lt=day - timedelta(days=HISTORY)).delete()


def _forget_offenders(check: QualityCheck) -> None:
    old = Offender.objects.filter(rule__type=check.type_id).exclude(generation=check.generation)
    while ids := list(old.values_list("pk", flat=True)[:LOOKED_UP]):
        Offender.objects.filter(pk__in=ids).delete()
