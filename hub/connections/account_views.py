"""The question whether an integration shall move to another account, and the answer."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from hub.accounts.models import Role
from hub.accounts.pages import HubAdmin
from hub.connections import oauth, switching
from hub.connections.connect_views import after_saving, save_form, tell_change
from hub.connections.forms import GuidedForm, LimitsForm
from hub.connections.models import Integration
from integrations.base.oauth import TokenSet


def ask(site: HubAdmin, request: HttpRequest, object_id: Any) -> HttpResponse:
    """GET: what would happen. POST ``answer=switch``: do it; anything else keeps the present account."""
    row: Integration = site.row(request, object_id, Role.ADMIN)
    pending = switching.pending_switch(row, request.user)
    page = HttpResponseRedirect(site.url("change", row.pk))
    if pending is None:
        messages.info(
            request, "No other account waits for an answer; after 15 minutes it has to be entered again."
        )
        return page
    if request.method != "POST":
        return site.render(
            request,
            "connections/account.html",
            row,
            page_words="Another account?",
            pending=pending,
            known=row.account_label or row.account_id,
            consequences=switching.consequences(row),
        )
    # Opened first: a deleted row has no key any more that its ciphertext is bound to.
    change = dict(pending.change)
    pending.delete()
    if request.POST.get("answer") != "switch":
        messages.success(
            request, f"{row} stays with {row.account_label or row.account_id}. Nothing was changed."
        )
        return page
    return _switch(request, row, change, pending.account_label) or page


def _switch(
    request: HttpRequest, row: Integration, change: dict[str, Any], label: str
) -> HttpResponse | None:
    """Put into use what waited; None where it fits no more."""
    who = f"{{who}} moved it to another account: {label}."
    if not label:
        who = "{who} put in a credential that does not tell its account."
    if "tokens" in change:
        row.forget_account()
        oauth.store(row, TokenSet(**change["tokens"]))
        tell_change(request, row, who)
        return after_saving(request, row, signed_in=True)
    form = GuidedForm.posted(row.provider, change["form"], row.organization, row)
    limits = LimitsForm(change["form"], instance=Integration.objects.get(pk=row.pk), provider=row.provider)
    saved = save_form(form, limits, row.organization)
    if saved is None:
        messages.error(request, "What was entered does not fit any more. Enter it again.")
        return None
    saved.forget_account()
    tell_change(request, saved, who)
    return after_saving(request, saved)
