"""Data quality in the pages of record types and integrations, and the pages of rules and changed fields."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import display

from hub.accounts.access import may
from hub.accounts.models import Role
from hub.accounts.pages import Deed, HubAdmin, Panel, Told, register_deed, register_panel
from hub.connections.models import Integration
from hub.lib.html import badge, moment
from hub.quality import drift
from hub.quality.checking import MAX_OFFENDERS, want
from hub.quality.figures import of_integration, offenders, quality_of
from hub.quality.forms import QualityRuleForm
from hub.quality.models import Drift, QualityRule, RuleKind
from hub.quality.rules import sentence
from hub.sync.models import RecordType

#: Offending records on a rule's page.
SHOWN = 100


@admin.register(QualityRule)
class QualityRuleAdmin(HubAdmin):
    """What records shall keep; rules are made in the page of their record type."""

    organization_path = "type__organization"
    empty_words = "A rule says what every record of a type shall keep; make one in the record type's page."
    form = QualityRuleForm
    list_display = ("shown_rule", "shown_type", "shown_enabled")
    list_select_related = ("type__organization",)
    page_template = "quality/rule.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("type__organization")

    def page_context(self, request: HttpRequest, row: QualityRule) -> dict[str, Any]:
        line = next(line for line in quality_of(row.type).rules if line.rule.pk == row.pk)
        found = offenders(row)
        return {"line": line, "offenders": found[:SHOWN], "most": MAX_OFFENDERS, "shown": SHOWN}

    def response_add(self, request: HttpRequest, obj: QualityRule, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._to_type(request, obj, f"“{sentence(obj)}” is checked in a moment.")

    def response_change(self, request: HttpRequest, obj: QualityRule) -> HttpResponse:
        return self._to_type(request, obj, f"“{sentence(obj)}” is saved, and checked in a moment.")

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        self.message_user(request, "The rule is removed.")
        return HttpResponseRedirect(reverse("admin:sync_recordtype_changelist"))

    def _to_type(self, request: HttpRequest, rule: QualityRule, text: str) -> HttpResponse:
        self.message_user(request, text)
        return HttpResponseRedirect(reverse("admin:sync_recordtype_change", args=[rule.type_id]))

    @display(description="Rule")
    def shown_rule(self, rule: QualityRule) -> str:
        return sentence(rule)

    @display(description="Record type")
    def shown_type(self, rule: QualityRule) -> str:
        return str(rule.type)

    @display(description="Enabled")
    def shown_enabled(self, rule: QualityRule) -> SafeString:
        return badge("On", "good") if rule.enabled else badge("Off", "mute")


@admin.register(Drift)
class DriftAdmin(HubAdmin):
    """Fields of providers that changed."""

    read_only = True
    empty_words = "When a provider's rows bring other fields than before, what changed is listed here."
    list_display = ("shown_what", "shown_changes", "shown_state", "shown_found")
    list_display_links = ("shown_what",)
    list_select_related = ("integration", "organization")
    page_template = "quality/drift.html"
    deeds = (
        Deed(
            "acknowledge",
            "I have seen it",
            "done",
            when=lambda row: row.acknowledged_at is None,
            tone="primary",
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("integration", "organization", "acknowledged_by")

    def do_acknowledge(self, request: HttpRequest, row: Drift) -> Told:
        """Take it off the home page."""
        done = drift.acknowledge(row, request.user)
        return Told("It is off the home page." if done else "Somebody has seen it before.", ok=done)

    @display(description="Integration")
    def shown_what(self, row: Drift) -> str:
        return f"{row.integration} · {row.source}"

    @display(description="Fields")
    def shown_changes(self, row: Drift) -> str:
        told = [f"{one['field']} is {one['what']}" for one in row.changes[:3]]
        more = len(row.changes) - len(told)
        return ", ".join(told) + (f" and {more} more" if more > 0 else "")

    @display(description="State")
    def shown_state(self, row: Drift) -> SafeString:
        return badge("Seen", "good") if row.acknowledged_at else badge("Not seen yet", "warn")

    @display(description="Found")
    def shown_found(self, row: Drift) -> SafeString:
        return moment(row.found_at)


def _type_panel(request: HttpRequest, row: RecordType) -> dict[str, Any]:
    """Return rules, scores and history of a type."""
    return {
        "quality": quality_of(row),
        "kinds": RuleKind.choices,
        "may_admin": may(request.user, row.organization, Role.ADMIN),
    }


def _integration_panel(request: HttpRequest, row: Integration) -> dict[str, Any]:
    """Return the scores of what an integration has, and its fields that changed."""
    changed = row.drifts.order_by("-pk")[:5]
    return {"scores": of_integration(row), "drifts": changed}


def _check_now(request: HttpRequest, row: RecordType) -> Told:
    want(row)
    return Told("The records are checked in the background; the score follows in a moment.")


register_panel(RecordType, Panel("quality/type_panel.html", _type_panel, order=20))
register_panel(Integration, Panel("quality/integration_panel.html", _integration_panel, order=70))
register_deed(
    RecordType,
    Deed(
        "check-quality",
        "Check the records now",
        "fact_check",
        when=lambda row: row.quality_rules.exists(),
        run=_check_now,
    ),
)
