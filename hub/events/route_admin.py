"""Admin pages of routes."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import action, display

from hub.accounts.access import (
    has_role,
    listed,
    may,
    organizations_for,
    roles_of,
    shown_organizations,
)
from hub.accounts.models import Organization, Role
from hub.accounts.pages import Deed, HubAdmin, Panel, Told, register_panel, register_question
from hub.connections.admin import keeper_url
from hub.connections.filters import IntegrationFilter
from hub.connections.models import Integration
from hub.connections.switching import register_consequence
from hub.delivery.enqueue import Target
from hub.events.flow import flow
from hub.events.forms import known_types
from hub.events.impact import Impact, impact, route_impact
from hub.events.models import Route, RouteFallback
from hub.events.route_check import check_route
from hub.events.route_forms import FallbackForm, FallbackFormSet, RouteForm, action_map
from hub.events.route_questions import SURE, ask_before_enabling, ask_before_saving
from hub.lib.html import badge
from hub.mapping.actions import action_label, find_action
from hub.mapping.engine import validate_rules
from hub.mapping.models import FieldMapping

#: What a choice shows of a row, and what is checked of the chosen one.
_NAMED_BY: dict[Any, tuple[str, ...]] = {
    Integration: ("name", "sandbox", "provider_slug", "organization_id"),
    FieldMapping: ("name", "organization_id"),
}


class FallbackInline(TabularInline):
    """Where an event goes when the integrations before it fail."""

    model = RouteFallback
    form = FallbackForm
    formset = FallbackFormSet
    extra = 0
    verbose_name = "fallback"
    verbose_name_plural = "Fallbacks: tried in this order when the integration above fails"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_role(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is None or not obj.pk:
            return has_role(request, Role.ADMIN)
        role = roles_of(request).get(obj.organization_id)
        return role is not None and role.covers(Role.ADMIN)

    has_add_permission = has_change_permission
    has_delete_permission = has_change_permission

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.related_model in (Integration, FieldMapping):
            mine = organizations_for(request.user, Role.ADMIN)
            rows = listed(db_field.related_model).filter(organization__in=mine)
            # Each fallback offers hundreds, by name.
            kwargs["queryset"] = rows.only(*_NAMED_BY[db_field.related_model])
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


@admin.register(Route)
class RouteAdmin(HubAdmin):
    """Which events go where."""

    form = RouteForm
    list_display = ("name", "takes", "goes_to", "shown_enabled")
    list_select_related = ("integration", "mapping")
    list_filter = ("enabled", IntegrationFilter)
    search_fields = ("name", "type_pattern", "action")
    search_help_text = "Name, event type or action"
    prepopulated_fields = {"slug": ("name",)}
    inlines = (FallbackInline,)
    actions = ("enable", "disable")
    change_form_after_template = "events/route_after.html"
    list_before_template = "events/route_before.html"
    deeds = (
        Deed(
            "toggle",
            "Switch on or off",
            "toggle_on",
            Role.ADMIN,
            words=lambda route: "Switch off" if route.enabled else "Switch on",
        ),
    )
    fieldsets = (
        (None, {"fields": ("organization", "name", "slug", "enabled")}),
        ("Which events", {"fields": ("type_pattern", "filter")}),
        ("Where to", {"fields": ("integration", "action", "mapping")}),
        ("How", {"fields": ("priority", "delay", "ordered", "purpose")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Route]:
        fallbacks = RouteFallback.objects.select_related("integration")
        return super().get_queryset(request).prefetch_related(Prefetch("fallbacks", fallbacks))

    def get_urls(self) -> list[URLPattern]:
        check = path("check/", self.admin_site.admin_view(self.check_view), name="events_route_check")
        picture = path("flow/", self.admin_site.admin_view(self.flow_view), name="events_route_flow")
        return [check, picture, *super().get_urls()]

    def check_view(self, request: HttpRequest) -> HttpResponse:
        """A part of the form: what pattern and filter take among the newest events."""
        mine, given = organizations_for(request.user), request.GET
        if given.get("organization", "").isdecimal():
            mine = mine.filter(pk=int(given["organization"]))
        pattern = given.get("type_pattern", "")
        check = check_route(mine, pattern, given.get("filter", ""))
        context = {"check": check, "asked": pattern, "impact": _typed_impact(mine, given)}
        return TemplateResponse(request, "events/route_check.html", context)

    def flow_view(self, request: HttpRequest) -> HttpResponse:
        """The whole flow as a picture."""
        return self.render(
            request,
            "events/flow.html",
            title="Flow",
            sources=flow(shown_organizations(request)),
            may_admin=has_role(request, Role.ADMIN),
        )

    def kept_at(self, row: Route) -> str:
        """The page of the part of the hub that keeps the route's integration."""
        return keeper_url(row.integration)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Not what another part of the hub keeps."""
        return super().has_delete_permission(request, obj) and not (obj is not None and self.kept_at(obj))

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else self.prepopulated_fields

    def get_list_display(self, request: HttpRequest) -> list[str] | tuple[str, ...]:
        columns = list(super().get_list_display(request))
        if has_role(request, Role.ADMIN):
            columns[columns.index("shown_enabled")] = "toggle"
        return columns

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer hundreds by name: what else there is of them is not loaded."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.related_model in _NAMED_BY:
            field.queryset = field.queryset.only(*_NAMED_BY[db_field.related_model])
        return field

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> Any:
        mine = organizations_for(request.user)
        more = {
            "action_map": action_map(
                Integration.objects.listed().filter(organization__in=mine).only("provider_slug")
            ),
            "types": known_types(mine),
        }
        return super().render_change_form(request, {**context, **more}, **kwargs)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save, and say so where a mapping cannot make what its action needs."""
        super().save_related(request, form, formsets, change)
        for sentence in misfits(form.instance):
            self.message_user(request, sentence, messages.WARNING)

    def do_toggle(self, request: HttpRequest, row: Route) -> Told:
        """Switch a route on or off, and stay in the list."""
        row.enabled = not row.enabled
        row.save(update_fields=["enabled", "updated_at"])
        state = "on: new events travel by it" if row.enabled else "off: it takes no new events"
        return Told(f"“{row}” is {state}.", url=self.url("changelist"))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The form; before it is saved, a page says what the route will take."""
        if request.method == "POST" and SURE not in request.POST:
            row = self.row(request, object_id, Role.ADMIN) if object_id else None
            if question := ask_before_saving(self, request, row):
                return question
        return super().changeform_view(request, object_id, form_url, extra_context)

    @action(description="Switch on", permissions=["change"], icon="toggle_on")
    def enable(self, request: HttpRequest, queryset: QuerySet[Route]) -> HttpResponse | None:
        """Switch the chosen routes on, once it was seen what they will take."""
        rows = self.within_role(request, queryset, Role.ADMIN)
        if SURE not in request.POST:
            return ask_before_enabling(self, request, rows)
        self.message_user(request, f"{_routes(rows.order_by().update(enabled=True))} switched on.")
        return None

    @action(description="Switch off", permissions=["change"], icon="toggle_off")
    def disable(self, request: HttpRequest, queryset: QuerySet[Route]) -> None:
        """Switch the chosen routes off."""
        count = self.within_role(request, queryset, Role.ADMIN).order_by().update(enabled=False)
        self.message_user(request, f"{_routes(count)} switched off.")

    @display(description="Takes")
    def takes(self, row: Route) -> SafeString:
        condition = format_html("<br>if {}", row.filter) if row.filter else ""
        return format_html('<span class="ic-mono ic-pattern">{}{}</span>', row.type_pattern, condition)

    @display(description="Goes to")
    def goes_to(self, row: Route) -> SafeString:
        by = f"mapped by {row.mapping.name}" if row.mapping else "the data as it is"
        others = "".join(f", else {fallback.integration}" for fallback in row.fallbacks.all())
        return format_html(
            '<span>{}: {}{}<br><span class="ic-dim ic-small">{}</span></span>',
            row.integration,
            action_label(row.integration.provider_slug, row.action),
            others,
            by,
        )

    @display(description="State")
    def shown_enabled(self, row: Route) -> SafeString:
        return badge("On", "good") if row.enabled else badge("Off", "mute")

    @display(description="State")
    def toggle(self, row: Route) -> SafeString:
        if not row.enabled:
            # What it will take is looked at first.
            link = '<span class="ic-nowrap">{} <a class="ic-button ic-tight" href="{}">Switch on</a></span>'
            return format_html(link, self.shown_enabled(row), self.ask_url(row, "toggle"))
        # A button of the list's own form, which brings the token that Django asks for.
        return format_html(
            '<span class="ic-nowrap">{} '
            '<button type="submit" class="ic-button ic-tight" formaction="{}">Switch off</button></span>',
            self.shown_enabled(row),
            self.url("do", row.pk, "toggle"),
        )


def _routes(count: int) -> str:
    return f"{count} route{'' if count == 1 else 's'}"


def _typed_impact(organizations: QuerySet[Organization], given: Any) -> Impact | None:
    """Return the impact of what stands in the form; None while it does not say where to."""
    wanted = given.get("integration", "")
    try:
        integration = Integration.objects.filter(organization__in=organizations, pk=UUID(wanted)).first()
    except ValueError:
        return None
    if integration is None or not given.get("type_pattern", "").strip():
        return None
    targets = [Target(integration.pk, given.get("action", ""))]
    return impact(integration.organization_id, given["type_pattern"], given.get("filter", ""), targets)


def misfits(route: Route) -> list[str]:
    """Return a sentence for each mapping of the route that its action will refuse."""
    sentences = []
    stops: list[Any] = [route, *route.fallbacks.select_related("integration", "mapping")]
    for stop in stops:
        action = find_action(stop.integration.provider_slug, stop.action)
        if action is None or stop.mapping is None or not stop.mapping.rules:
            continue
        problems = validate_rules(stop.mapping.rules, action.input)
        if problems:
            told = " ".join(map(str, problems[:3]))
            sentences.append(f"“{stop.mapping}” does not fit “{action.label}”: deliveries will fail. {told}")
    return sentences


def _mapping_panel(request: HttpRequest, mapping: FieldMapping) -> dict[str, Any]:
    found = Q(mapping=mapping) | Q(fallbacks__mapping=mapping)
    routes = Route.objects.filter(found, organization=mapping.organization).distinct()
    return {"routes": routes.select_related("integration").order_by("name")[:50]}


def _integration_panel(request: HttpRequest, integration: Integration) -> dict[str, Any]:
    return {
        "routes": Route.objects.filter(integration=integration).select_related("mapping"),
        "fallbacks": RouteFallback.objects.filter(integration=integration).select_related("route"),
        "may_admin": may(request.user, integration.organization, Role.ADMIN),
    }


def _toggle_question(request: HttpRequest, route: Route) -> dict[str, Any]:
    return {"impact": route_impact(route)}


register_question(Route, "toggle", Panel("events/toggle_question.html", _toggle_question))
register_panel(Integration, Panel("events/integration_panel.html", _integration_panel, order=40))
register_panel(FieldMapping, Panel("events/mapping_panel.html", _mapping_panel))


def _routes_follow(integration: Integration) -> str:
    """What a switch to another account means for the routes."""
    count = integration.routes.count()
    ending = "s send" if count > 1 else " sends"
    return f"Its {count} route{ending} to the new account." if count else ""


register_consequence(_routes_follow)
