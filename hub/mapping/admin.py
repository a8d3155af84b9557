"""Admin pages of field mappings: the list and the rules editor."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.text import slugify
from unfold.decorators import display

from hub.accounts.access import may, organizations_for
from hub.accounts.models import Organization, Role
from hub.accounts.pages import HubAdmin
from hub.lib.html import badge, moment
from hub.mapping import version_page
from hub.mapping.actions import find_action, target_choices
from hub.mapping.engine import Problem, validate_rules
from hub.mapping.fields import target_fields
from hub.mapping.models import FieldMapping
from hub.mapping.transforms import catalogue
from hub.mapping.versions import latest_version
from integrations.base.registry import providers


class MappingForm(forms.ModelForm):
    """What the editor sends. ``rules`` is JSON made by its script; ``problems`` belong to rules."""

    organization = forms.ModelChoiceField(Organization.objects.none(), empty_label=None)
    slug = forms.SlugField(required=False, max_length=60)
    target = forms.CharField(label="Made for", required=False)
    rules = forms.JSONField(required=False)
    version = forms.IntegerField(required=False)

    class Meta:
        model = FieldMapping
        fields = ("organization", "name", "slug", "rules")

    def __init__(self, *args: Any, organizations: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            del self.fields["organization"]
        else:
            self.fields["organization"] = forms.ModelChoiceField(organizations, empty_label=None)
        self.problems: list[Problem] = []
        self.gaps: list[Problem] = []

    def clean(self) -> dict[str, Any]:
        """Check the rules; what is only not finished yet (an unfilled field) does not stop saving."""
        cleaned = super().clean() or {}
        cleaned["rules"] = cleaned.get("rules") or []
        cleaned["slug"] = cleaned.get("slug") or slugify(cleaned.get("name", ""))[:60]
        provider, _, name = cleaned.get("target", "").partition(":")
        action = find_action(provider, name)
        kept = (self.instance.provider_slug, self.instance.action)
        # What it was made for stays, also where that provider's code is gone for now.
        if action or (provider, name) != kept:
            self.instance.provider_slug, self.instance.action = (provider, name) if action else ("", "")
        found = validate_rules(cleaned["rules"], action.input if action else None)
        self.problems = [problem for problem in found if problem.rule or not problem.target]
        self.gaps = [problem for problem in found if not problem.rule and problem.target]
        if self.problems:
            self.add_error(None, "Some rules cannot be used as they are; they are marked below.")
        self._check_slug(cleaned)
        self._check_version(cleaned.get("version"))
        return cleaned

    def _check_version(self, opened: int | None) -> None:
        """Refuse once where somebody else saved meanwhile; the page then knows the newer version."""
        latest = latest_version(self.instance)
        if opened is not None and latest is not None and latest.number > opened:
            who = latest.by or "Somebody"
            self.add_error(
                None,
                f"{who} saved version {latest.number} while you were editing version {opened}. Your rules "
                "are below: look at theirs under “Versions”, or save again to put yours in their place.",
            )

    def _check_slug(self, cleaned: dict[str, Any]) -> None:
        owner = cleaned.get("organization") or (self.instance.organization if self.instance.pk else None)
        rows = FieldMapping.objects.filter(organization=owner, slug=cleaned["slug"])
        if owner is not None and rows.exclude(pk=self.instance.pk).exists():
            self.add_error("name", "Another mapping has this name or short name; choose another.")


@admin.register(FieldMapping)
class FieldMappingAdmin(HubAdmin):
    """How events become the input of actions."""

    list_display = ("name", "made_for", "rule_count", "changed")
    search_fields = ("name", "slug", "action")
    search_help_text = "Name, short name or action"
    list_before_template = "mapping/list_before.html"

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The editor, empty."""
        if not organizations_for(request.user, Role.ADMIN).exists():
            raise PermissionDenied
        return self._editor(request, FieldMapping(), editable=True)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The editor; read-only for viewers and operators."""
        row: FieldMapping = self.row(request, object_id)
        editable = may(request.user, row.organization, Role.ADMIN)
        if request.method == "POST" and not editable:
            raise PermissionDenied
        return self._editor(request, row, editable=editable)

    def get_urls(self) -> list[URLPattern]:
        versions = path(
            "<path:object_id>/versions/",
            self.admin_site.admin_view(self.versions_view),
            name=self.url_name("versions"),
        )
        return [versions, *super().get_urls()]

    def versions_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Every version with what it changed; POST brings one back (admins)."""
        if request.method == "POST":
            return version_page.restored(self, request, self.row(request, object_id, Role.ADMIN))
        return version_page.show(self, request, self.row(request, object_id))

    def _editor(self, request: HttpRequest, row: FieldMapping, *, editable: bool) -> HttpResponse:
        mine = organizations_for(request.user, Role.ADMIN).order_by("name")
        data = request.POST if request.method == "POST" else None
        form = MappingForm(data, instance=row, organizations=mine)
        if request.method == "POST" and form.is_valid():
            form.instance.said_by(request.user)
            saved = form.save()
            self._tell(request, saved, form.gaps)
            return HttpResponseRedirect(self.url("change", saved.pk))
        target, editor = self._chosen_target(request, row), self._editor_data(form, row)
        response = self.render(
            request,
            "mapping/editor.html",
            row if row.pk else None,
            title=str(row) if row.pk else "New mapping",
            form=form,
            mapping=row,
            editable=editable,
            organizations=mine,
            target=target,
            target_known=not target or find_action(*target.split(":", 1)) is not None,
            targets=target_choices(),
            editor=editor,
            rules_text=json.dumps(editor["rules"]),
            preview_organization=row.organization_id or (mine[0].pk if mine else ""),
            delete_url=self.url("delete", row.pk) if row.pk and editable else "",
            latest=latest_version(row),
        )
        response.status_code = 422 if form.errors else 200
        return response

    def _tell(self, request: HttpRequest, saved: FieldMapping, gaps: list[Problem]) -> None:
        if not gaps:
            messages.success(request, f"“{saved}” is saved. New deliveries use it at once.")
            return
        names = ", ".join(problem.target for problem in gaps)
        messages.warning(request, f"“{saved}” is saved, but nothing fills what the action needs: {names}.")

    def _chosen_target(self, request: HttpRequest, row: FieldMapping) -> str:
        kept = f"{row.provider_slug}:{row.action}" if row.action else ""
        given: str = request.POST.get("target", request.GET.get("target", kept))
        return given if ":" in given else ""

    def _editor_data(self, form: MappingForm, row: FieldMapping) -> dict[str, Any]:
        rules: Any = row.rules
        if form.is_bound:
            try:
                rules = json.loads(form.data.get("rules") or "[]")
            except ValueError:
                rules = []
        problems = [{"rule": problem.rule, "text": _sentence(problem)} for problem in form.problems]
        return {
            "rules": rules,
            "problems": problems,
            "transforms": catalogue(),
            "targets": _fields_by_target(),
        }

    @display(description="Made for")
    def made_for(self, row: FieldMapping) -> str:
        action = find_action(row.provider_slug, row.action)
        if action is None:
            return row.action or "Any action"
        known = providers().get(row.provider_slug)
        return f"{known.name if known else 'Any service'}: {action.label}"

    @display(description="Rules")
    def rule_count(self, row: FieldMapping) -> SafeString | int:
        return len(row.rules) or badge("Empty", "warn")

    @display(description="Changed", ordering="updated_at")
    def changed(self, row: FieldMapping) -> SafeString:
        return moment(row.updated_at)


def _fields_by_target() -> dict[str, list[dict[str, Any]]]:
    """The fields of every action that the editor offers, by the value of its choice."""
    found = {}
    for _, actions in target_choices():
        for value, _label in actions:
            provider, _, name = value.partition(":")
            if action := find_action(provider, name):
                found[value] = target_fields(action.input)
    return found


def _sentence(problem: Problem) -> str:
    got = f"Got {problem.value}, expected" if problem.value else "Expected"
    return f"{got} {problem.expectation}."
