"""What pages and the API read: scores that were rolled up, never a count of records."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from hub.accounts.models import Organization
from hub.connections.models import Integration
from hub.quality.models import Drift, Offender, QualityCheck, QualityPoint, QualityRule
from hub.quality.rules import sentence
from hub.sync.models import RecordType

#: A line of the history is drawn in a box of this size.
WIDTH, HEIGHT = 240, 40


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A rule, as a sentence, and how many records break it; None where it was not checked yet."""

    rule: QualityRule
    sentence: str
    failing: int | None
    share: float


@dataclass(frozen=True, slots=True)
class Scored:
    """An integration, or a type: records it has and those of them that keep every rule."""

    name: str
    of: Any
    checked: int
    good: int

    @property
    def score(self) -> float:
        """0 to 100."""
        return 100 * self.good / self.checked if self.checked else 0.0


@dataclass(frozen=True, slots=True)
class Quality:
    """All that is known of a type's quality."""

    check: QualityCheck | None
    rules: list[RuleLine]
    integrations: list[Scored]
    history: list[QualityPoint]

    @property
    def line(self) -> str:
        """The history as points of a polyline; 0 to 100 from bottom to top."""
        points = self.history
        if len(points) < 2:
            return ""
        step = WIDTH / (len(points) - 1)
        shares = [point.good / point.checked if point.checked else 0.0 for point in points]
        return " ".join(
            f"{place * step:.1f},{HEIGHT * (1 - share):.1f}" for place, share in enumerate(shares)
        )


def quality_of(record_type: RecordType) -> Quality:
    """Return what is known of a type."""
    check = QualityCheck.objects.filter(type=record_type).first()
    known = check.failing if check and check.checked_at else {}
    lines = [_line(rule, check, known) for rule in record_type.quality_rules.order_by("field", "kind", "pk")]
    points = list(record_type.quality_points.filter(integration=None).order_by("day"))
    return Quality(check, lines, _held(check), points)


def of_integration(integration: Integration) -> list[Scored]:
    """Return the score of what an integration has, type by type."""
    checks = QualityCheck.objects.filter(type__organization=integration.organization_id).select_related(
        "type"
    )
    found = []
    for check in checks.exclude(checked_at=None).order_by("type__name"):
        if counts := check.held.get(str(integration.pk)):
            found.append(Scored(str(check.type), check.type, *counts))
    return found


def offenders(rule: QualityRule) -> QuerySet[Offender]:
    """Return the records that break a rule, as of the latest whole check or the one under way."""
    return rule.offenders.select_related("record", "record__type").order_by("id")


def open_drifts(organizations: QuerySet[Organization]) -> QuerySet[Drift]:
    """Return what nobody has seen yet."""
    rows = Drift.objects.filter(organization__in=organizations, acknowledged_at=None)
    return rows.select_related("integration").order_by("-pk")


def _line(rule: QualityRule, check: QualityCheck | None, known: dict[str, int]) -> RuleLine:
    done = check is not None and check.checked_at is not None and rule.updated_at <= check.checked_at
    failing = known.get(str(rule.pk), 0) if done and rule.enabled else None
    share = 100 * failing / check.checked if failing and check and check.checked else 0.0
    return RuleLine(rule, sentence(rule), failing, share)


def _held(check: QualityCheck | None) -> list[Scored]:
    counts = check.held if check else {}
    rows = Integration.objects.filter(pk__in=counts).order_by("name")
    return [Scored(row.name, row, *counts[str(row.pk)]) for row in rows]
