"""Data quality by the API: the score of a record type, its rules, and the records that break one."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts.models import Scope
from hub.api import schemas
from hub.api.pagination import as_number
from hub.api.records import RecordsView
from hub.quality.checking import MAX_OFFENDERS
from hub.quality.figures import Scored, offenders, quality_of
from hub.quality.models import QualityPoint, QualityRule

RULE = schemas.shape(
    "QualityRule",
    {
        "id": schemas.number(),
        "field": schemas.text("Empty: the record itself."),
        "rule": schemas.text("required, unique, pattern, range or fresh"),
        "sentence": schemas.text("The rule as people read it."),
        "enabled": serializers.BooleanField(),
        "failing": schemas.number("Records that break it; null: not checked yet.", allow_null=True),
    },
)
SCORE = {
    "score": serializers.FloatField(allow_null=True, help_text="0 to 100: records that keep every rule."),
    "checked": schemas.number(),
    "good": schemas.number(),
}
QUALITY = schemas.shape(
    "Quality",
    {
        "type": schemas.text(),
        **SCORE,
        "checked_at": schemas.moment(allow_null=True),
        "rules": RULE(many=True),
        "integrations": schemas.shape("QualityThere", {"integration": schemas.text(), **SCORE})(many=True),
        "history": schemas.shape("QualityDay", {"day": serializers.DateField(), **SCORE})(many=True),
    },
)
OFFENDER = schemas.shape("QualityOffender", {"key": schemas.text(), "reason": schemas.text()})
OFFENDERS = schemas.shape("QualityOffenders", {"rule": RULE(), "records": OFFENDER(many=True)})
A_RULE = {
    "id": 3,
    "field": "email",
    "rule": "required",
    "sentence": "email must be filled in",
    "enabled": True,
    "failing": 12,
}
A_SCORE = {"score": 99.0, "checked": 1200, "good": 1188}
SHOWN = {
    "type": "customer",
    **A_SCORE,
    "checked_at": "2026-01-31T12:00:00Z",
    "rules": [A_RULE],
    "integrations": [{"integration": "crm", **A_SCORE}],
    "history": [{"day": "2026-01-31", **A_SCORE}],
}


class QualityView(RecordsView):
    """``/api/quality/{type}``."""

    required_scope = Scope.RECORDS_READ

    @extend_schema(
        operation_id="readQuality",
        summary="How good the records of a type are",
        description="As of the latest check, which the hub makes in the background.",
        responses=schemas.answers({200: QUALITY}, 404),
        examples=[schemas.example("A type with one rule", SHOWN)],
        tags=["Records"],
    )
    def get(self, request: Request, type: str) -> Response:
        """Show scores, rules and history."""
        found = quality_of(self.record_type(type))
        check = found.check
        return Response(
            {
                "type": type,
                **_score(check.checked if check else 0, check.good if check else 0),
                "checked_at": check.checked_at if check else None,
                "rules": [_rule(line) for line in found.rules],
                "integrations": [_there(line) for line in found.integrations],
                "history": [_day(point) for point in found.history],
            }
        )


class OffendersView(RecordsView):
    """``/api/quality/{type}/{rule}``."""

    required_scope = Scope.RECORDS_READ

    @extend_schema(
        operation_id="readQualityOffenders",
        summary="The records that break a rule",
        description=f"Of each rule the first {MAX_OFFENDERS:,} are kept; all are counted.",
        responses=schemas.answers({200: OFFENDERS}, 404),
        examples=[
            schemas.example("One", {"rule": A_RULE, "records": [{"key": "1042", "reason": "email is empty"}]})
        ],
        tags=["Records"],
    )
    def get(self, request: Request, type: str, rule: str) -> Response:
        """List them, with the reason of each."""
        kind = self.record_type(type)
        row = QualityRule.objects.filter(type=kind, pk=as_number(rule) or 0).first()
        if row is None:
            raise NotFound(f"There is no rule {rule!r} of {type!r}.")
        line = next(line for line in quality_of(kind).rules if line.rule.pk == row.pk)
        records = [{"key": one.record.key, "reason": one.reason} for one in offenders(row)[:MAX_OFFENDERS]]
        return Response({"rule": _rule(line), "records": records})


def _score(checked: int, good: int) -> dict[str, Any]:
    share = round(100 * good / checked, 2) if checked else None
    return {"score": share, "checked": checked, "good": good}


def _rule(line: Any) -> dict[str, Any]:
    rule = line.rule
    return {
        "id": rule.pk,
        "field": rule.field,
        "rule": rule.kind,
        "sentence": line.sentence,
        "enabled": rule.enabled,
        "failing": line.failing,
    }


def _there(line: Scored) -> dict[str, Any]:
    return {"integration": line.of.slug, **_score(line.checked, line.good)}


def _day(point: QualityPoint) -> dict[str, Any]:
    return {"day": point.day, **_score(point.checked, point.good)}
