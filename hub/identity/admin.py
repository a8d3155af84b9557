"""Admin pages of invitations, and what members' and organizations' pages get from signing in."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import display

from hub.accounts.models import Membership, Organization, Role
from hub.accounts.pages import Deed, HubAdmin, Panel, Told, register_deed, register_panel
from hub.identity import factors, invitations, lockouts
from hub.identity.forms import InvitationForm
from hub.identity.models import Invitation
from hub.lib.html import badge, moment

TONES = {"open": "info", "accepted": "good", "expired": "warn", "withdrawn": "mute"}


@admin.register(Invitation)
class InvitationAdmin(HubAdmin):
    """Who is invited: made here, its link shown once, withdrawn here; never changed."""

    form = InvitationForm
    add_words = "Invite somebody"
    empty_words = "Invite somebody by e-mail: the link makes their account, or lets their account join."
    list_display = ("email", "shown_role", "shown_state", "shown_expires", "invited_by")
    list_select_related = ("organization", "invited_by", "accepted_by")
    search_fields = ("email",)
    search_help_text = "E-mail"
    ordering = ("-pk",)
    page_template = "identity/invited.html"
    deeds = (
        Deed(
            "withdraw",
            "Withdraw",
            "block",
            Role.ADMIN,
            when=lambda row: row.state(timezone.now()) == "open",
            confirm="Withdraw this invitation? Its link is useless from now on.",
            tone="danger",
        ),
        Deed(
            "renew",
            "Make a new link",
            "autorenew",
            Role.ADMIN,
            when=lambda row: row.state(timezone.now()) in ("open", "expired"),
            confirm="Make a new link? The former one is useless from now on.",
        ),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().add_view(request, form_url, {"title": "Invite somebody", **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        """Make the invitation; ``response_add`` shows its link, nobody can later."""
        data = form.cleaned_data
        sent = invitations.invite(data["organization"], data["email"], data["role"], request.user)
        obj.pk, obj.digest, obj.expires_at = (
            sent.invitation.pk,
            sent.invitation.digest,
            sent.invitation.expires_at,
        )
        # Kept on the row for this answer only: it is no column.
        obj.__dict__["sent"] = sent

    def response_add(
        self, request: HttpRequest, obj: Invitation, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._with_link(request, obj.__dict__["sent"])

    def _with_link(self, request: HttpRequest, sent: invitations.Sent) -> HttpResponse:
        response = self.render(
            request,
            self.page_template,
            sent.invitation,
            link=sent.url,
            mailed=sent.mailed,
            **_facts(sent.invitation),
        )
        response["Cache-Control"] = "no-store"
        return response

    def page_context(self, request: HttpRequest, row: Invitation) -> dict[str, Any]:
        return _facts(row)

    def act_view(self, request: HttpRequest, object_id: str, deed: str) -> HttpResponse:
        """A new link is shown on the answer itself, so that it is written down nowhere."""
        if deed == "renew" and request.method == "POST":
            row = self.row(request, object_id, Role.ADMIN)
            if row.state(timezone.now()) in ("open", "expired"):
                invitations.withdraw(row)
                return self._with_link(
                    request, invitations.invite(row.organization, row.email, row.role, request.user)
                )
        return super().act_view(request, object_id, deed)

    def do_renew(self, request: HttpRequest, row: Invitation) -> Told:
        """Only reached where the invitation is neither open nor expired."""
        return Told("This invitation was used or withdrawn. Invite the person anew.", ok=False)

    def do_withdraw(self, request: HttpRequest, row: Invitation) -> Told:
        """Make the link useless."""
        invitations.withdraw(row)
        return Told(f"The invitation of {row.email} is withdrawn.", url=self.url("changelist"))

    @display(description="Role", ordering="role")
    def shown_role(self, row: Invitation) -> SafeString:
        return badge(row.role.capitalize(), "mute", "shield_person")

    @display(description="State")
    def shown_state(self, row: Invitation) -> SafeString:
        state = row.state(timezone.now())
        return badge(state.capitalize(), TONES[state])

    @display(description="Expires", ordering="expires_at")
    def shown_expires(self, row: Invitation) -> SafeString:
        """When it ends; what was accepted or withdrawn ended before."""
        return moment(row.expires_at if row.state(timezone.now()) in ("open", "expired") else None)


def _facts(row: Invitation) -> dict[str, Any]:
    return {"state": row.state(timezone.now())}


def _unlock(request: HttpRequest, member: Membership) -> Told:
    lockouts.unlock(member.user)
    return Told(f"{member.user} may sign in again.")


register_deed(
    Membership,
    Deed(
        "unlock",
        "Unlock",
        "lock_open",
        Role.ADMIN,
        when=lambda member: lockouts.is_locked(member.user),
        run=_unlock,
    ),
)


def _member_context(request: HttpRequest, member: Membership) -> dict[str, Any]:
    return {
        "has_factor": factors.has_second_factor(member.user),
        "locked": list(lockouts.locked() & lockouts.of_user(member.user)),
    }


def _invited_context(request: HttpRequest, organization: Organization) -> dict[str, Any]:
    return {
        "open": invitations.open_ones().filter(organization=organization).order_by("email"),
        "without": factors.without_factor(organization) if organization.requires_two_factors else 0,
    }


register_panel(Membership, Panel("identity/member_panel.html", _member_context))
register_panel(Organization, Panel("identity/organization_panel.html", _invited_context))
