"""The base of every admin page: scoped to organizations, with deeds that a role may do.

A *deed* is a button on a row's own page (pause, retry, rotate …). It is declared once; from the
declaration come the button, its URL, the check of the role, and the message afterwards.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.contrib import messages
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.forms import HiddenInput
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from hub.accounts.access import OrganizationScoped, may, organizations_for, role_in, shown_organizations
from hub.accounts.lists import HubChangeList, tick_box
from hub.accounts.models import Organization, Role
from hub.lib.replica import list_from_replica

M = TypeVar("M", bound=Model)

#: Set on the request of a list.
NARROWED = "_to_the_chosen_organization"


@dataclass(frozen=True, slots=True)
class Told:
    """What a deed reports: a sentence, whether all is well, and where to go on (else: back)."""

    text: str
    ok: bool = True
    url: str = ""


@dataclass(frozen=True, slots=True)
class Deed:
    """A button of a row's page, run by the admin's method ``do_<name>(request, row) -> Told``.

    A higher slice brings its own ``run`` and adds the deed by ``register_deed``. With ``shown``
    False the button stands elsewhere on the page.
    """

    name: str
    label: str
    icon: str
    role: Role = Role.OPERATOR
    when: Callable[[Any], bool] = lambda row: True
    confirm: str = ""
    tone: str = ""
    run: Callable[[HttpRequest, Any], Told] | None = None
    shown: bool = True
    #: What the button says where that depends on the row; else ``label``.
    words: Callable[[Any], str] | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of a row's page that a higher slice adds; ``context(request, row)`` fills it."""

    template: str
    context: Callable[[HttpRequest, Any], dict[str, Any]]
    order: int = 50


_panels: dict[str, list[Panel]] = {}
_questions: dict[tuple[str, str], Panel] = {}
_deeds: dict[str, list[Deed]] = {}
_actions: dict[str, list[Callable[..., Any]]] = {}


def register_panel(model: type[Model], panel: Panel) -> None:
    """Show ``panel`` on the pages of ``model``; called when an admin module is loaded."""
    _panels.setdefault(model._meta.label, []).append(panel)


def register_deed(model: type[Model], deed: Deed) -> None:
    """Let ``deed``, which brings its own ``run``, be done to rows of ``model``."""
    _deeds.setdefault(model._meta.label, []).append(deed)


def register_action(model: type[Model], action: Callable[..., Any]) -> None:
    """Let ``action(model_admin, request, queryset)`` be done to several rows of ``model`` in its list."""
    _actions.setdefault(model._meta.label, []).append(action)


def register_question(model: type[Model], deed: str, panel: Panel) -> None:
    """Show ``panel``, which says what it means, before ``deed`` is done to a row of ``model``."""
    _questions[model._meta.label, deed] = panel


class HubAdmin(OrganizationScoped, ModelAdmin):
    """Base of every ModelAdmin of the hub. With ``page_template`` a row has a page of its own, read-only."""

    page_template = ""
    deeds: tuple[Deed, ...] = ()
    #: Added and changed by nobody in the admin; a row is only looked at and acted on.
    read_only = False
    #: What an empty list says will stand there, and how it comes there.
    empty_words = ""
    #: What the button of an empty list says; else “Add” and what it lists.
    add_words = ""
    list_filter_sheet = True
    list_filter_submit = True
    compressed_fields = True
    list_per_page = 50
    show_full_result_count = False
    show_facets = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return not self.read_only and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return not self.read_only and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return not self.read_only and super().has_delete_permission(request, obj)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The list, narrowed to the organization that is chosen in the menu; other pages stay open."""
        setattr(request, NARROWED, True)
        view = super().changelist_view
        return list_from_replica(request, lambda: view(request, *args, **kwargs))

    @property
    def list_disable_select_all(self) -> bool:
        """A list that counts nothing offers no “all”: nobody would see what that is before it is done."""
        return issubclass(self.paginator, InfinitePaginator)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[HubChangeList]:
        return HubChangeList

    def prepare(self, request: HttpRequest, rows: list[Any]) -> None:
        """Read at once what the columns need about all the ``rows`` that a list shows."""

    def get_preserved_filters(self, request: HttpRequest) -> str:
        """A row's own page leads back by itself; each link without it need not be taken apart."""
        return "" if self.page_template else super().get_preserved_filters(request)

    def action_checkbox(self, obj: Model) -> str:
        return tick_box(obj.pk)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        if not getattr(request, NARROWED, False):
            return rows
        if hasattr(rows, "listed"):
            rows = rows.listed()
        return rows.filter(**{f"{self.organization_path}__in": shown_organizations(request)})

    def get_urls(self) -> list[URLPattern]:
        act = path(
            "<path:object_id>/do/<slug:deed>/",
            self.admin_site.admin_view(self.act_view),
            name=self.url_name("do"),
        )
        edit = path(
            "<path:object_id>/edit/",
            self.admin_site.admin_view(self.edit_view),
            name=self.url_name("edit"),
        )
        ask = path(
            "<path:object_id>/ask/<slug:deed>/",
            self.admin_site.admin_view(self.ask_view),
            name=self.url_name("ask"),
        )
        return [act, ask, *([edit] if self.page_template and not self.read_only else []), *super().get_urls()]

    def url_name(self, page: str) -> str:
        """Return the name of one of the model's URLs, without the namespace."""
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"

    def url(self, page: str, *args: Any) -> str:
        """Return the address of one of the model's pages."""
        return reverse(f"admin:{self.url_name(page)}", args=args)

    def _get_base_actions(self) -> list[Any]:
        """The admin's own actions and those of higher slices."""
        higher = (self.get_action(action) for action in _actions.get(self.opts.label, []))
        return [*super()._get_base_actions(), *(found for found in higher if found)]

    def row(self, request: HttpRequest, object_id: Any, needed: Role = Role.VIEWER) -> Any:
        """Return the row; Http404 for a stranger's, PermissionDenied for a role that is too low."""
        try:
            found = self.get_queryset(request).filter(pk=object_id).first()
        except (ValueError, ValidationError):
            found = None
        if found is None:
            raise Http404(f"There is no such {self.opts.verbose_name}.")
        if not may(request.user, self.organization_of(found), needed):
            raise PermissionDenied
        return found

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.row(request, object_id)
        if elsewhere := self.kept_at(row):
            return HttpResponseRedirect(elsewhere)
        if not self.page_template:
            return super().change_view(request, object_id, form_url, extra_context)
        if request.method not in ("GET", "HEAD"):
            if not may(request.user, self.organization_of(row), Role.ADMIN):
                raise PermissionDenied
            return HttpResponseNotAllowed(["GET"])
        return self.render(request, self.page_template, row, **self.page_context(request, row))

    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form of a row that has a page of its own."""
        self.row(request, object_id, self.change_role)
        return super().change_view(request, object_id)

    def kept_at(self, row: Any) -> str:
        """Return the page of another part of the hub that keeps ``row``; empty: it is kept here."""
        return ""

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what the page's template needs beyond ``row``, ``role``, ``buttons`` and ``panels``."""
        return {}

    def render(self, request: HttpRequest, template: str, row: Any = None, **context: Any) -> HttpResponse:
        """Return a page within the admin's frame; ``row`` gives role, buttons and panels."""
        request.current_app = self.admin_site.name
        frame = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "list_url": self.url("changelist"),
            "inline_admin_formsets": [],
        }
        if row is not None:
            frame |= self._row_context(request, row)
        return TemplateResponse(request, template, frame | context)

    def all_deeds(self) -> list[Deed]:
        """Return the admin's own deeds and those of higher slices."""
        return [*self.deeds, *_deeds.get(self.opts.label, [])]

    def buttons(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        """Return the deeds that the user may do to ``row`` now, as the templates show them."""
        role = role_in(request.user, self.organization_of(row))
        return [
            {
                "deed": deed,
                "url": self.url("do", row.pk, deed.name),
                "label": deed.words(row) if deed.words else deed.label,
                "ask_url": self.ask_url(row, deed.name),
            }
            for deed in self.all_deeds()
            if deed.shown and role is not None and role.covers(deed.role) and deed.when(row)
        ]

    def ask_url(self, row: Any, deed: str) -> str:
        """Return the page that says what a deed means; empty where there is none."""
        return self.url("ask", row.pk, deed) if (self.opts.label, deed) in _questions else ""

    def ask_view(self, request: HttpRequest, object_id: str, deed: str) -> HttpResponse:
        """What a deed would set moving, and the button that does it."""
        question = _questions.get((self.opts.label, deed))
        declared = next((entry for entry in self.all_deeds() if entry.name == deed), None)
        if question is None or declared is None:
            raise Http404
        row = self.row(request, object_id, declared.role)
        return self.render(
            request,
            "parts/ask.html",
            row,
            deed=declared,
            deed_label=declared.words(row) if declared.words else declared.label,
            deed_url=self.url("do", row.pk, deed),
            question={"template": question.template, **question.context(request, row)},
            next=self.url("change", row.pk),
        )

    def act_view(self, request: HttpRequest, object_id: str, deed: str) -> HttpResponse:
        """POST: do a deed to a row and say what came of it."""
        if request.method != "POST":
            return self._not_done(request, object_id)
        declared = next((entry for entry in self.all_deeds() if entry.name == deed), None)
        if declared is None:
            raise Http404
        row = self.row(request, object_id, declared.role)
        if elsewhere := self.kept_at(row):
            return HttpResponseRedirect(elsewhere)
        if not declared.when(row):
            told = Told(f"“{declared.label}” is not possible any more: it changed meanwhile.", ok=False)
        else:
            run = declared.run or getattr(self, f"do_{deed.replace('-', '_')}")
            told = run(request, row)
        if told.text:
            messages.add_message(request, messages.SUCCESS if told.ok else messages.ERROR, told.text)
        return HttpResponseRedirect(told.url or self._back(request, row))

    def within_role(self, request: HttpRequest, rows: QuerySet[M], needed: Role) -> QuerySet[M]:
        """Return ``rows`` if the user may act on all of them; raise PermissionDenied otherwise."""
        mine = organizations_for(request.user, needed)
        if rows.exclude(**{f"{self.organization_path}__in": mine}).exists():
            raise PermissionDenied
        return rows

    def only_organization(self, request: HttpRequest, needed: Role) -> Organization | None:
        """Return the organization where there is nothing to choose, else None."""
        mine = list(organizations_for(request.user, needed)[:2])
        return mine[0] if len(mine) == 1 else None

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Leave out Django's pop-ups beside a choice, and a choice that is none."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        choice = form.base_fields.get("organization")
        if choice is not None and self.only_organization(request, self.change_role) is not None:
            choice.widget = HiddenInput()
        return form

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], **kwargs: Any
    ) -> HttpResponse:
        """One button that saves; no variants to think about."""
        fewer = {"show_save_and_continue": False, "show_save_and_add_another": False}
        return super().render_change_form(request, {**context, **fewer}, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        only = self.only_organization(request, self.change_role)
        return {**({"organization": only.pk} if only else {}), **super().get_changeform_initial_data(request)}

    def get_list_display(self, request: HttpRequest) -> list[str] | tuple[str, ...]:
        """Show the organization only to people who have several."""
        columns = [*super().get_list_display(request)]
        if self.organization_path == "organization" and organizations_for(request.user).count() > 1:
            columns.append("organization")
        return columns

    def _row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        organization = self.organization_of(row)
        panels = sorted(_panels.get(self.opts.label, []), key=lambda panel: panel.order)
        role = role_in(request.user, organization)
        return {
            "row": row,
            "original": row,
            "title": str(row),
            "role": role,
            "may_operate": role is not None and role.covers(Role.OPERATOR),
            "may_admin": role is not None and role.covers(Role.ADMIN),
            "buttons": self.buttons(request, row),
            "panels": [{"template": panel.template, **panel.context(request, row)} for panel in panels],
        }

    def _not_done(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """Back to the row: whoever had to sign in again after a press comes here without it."""
        row = self.row(request, object_id)
        messages.info(request, "Nothing was done yet: you had to sign in first. Press the button again.")
        return HttpResponseRedirect(self.kept_at(row) or self.url("change", row.pk))

    def _back(self, request: HttpRequest, row: Model) -> str:
        target = request.POST.get("next", "")
        if target and url_has_allowed_host_and_scheme(target, {request.get_host()}):
            return target
        return self.url("change", row.pk)
