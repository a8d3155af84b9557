"""Forms of signing in, of invitations and of accepting one."""

from typing import Any

from allauth.account.forms import LoginForm
from django import forms
from django.contrib.auth import get_user_model, password_validation
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from hub.accounts.access import may_enter
from hub.accounts.models import Membership
from hub.identity import invitations, lockouts
from hub.identity.adapters import NOBODYS
from hub.identity.models import Invitation

WRONG = "This name and password do not belong together. Both know capital letters from small ones."


class SignInForm(LoginForm):
    """User name or e-mail, and password."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self.locked_out = False
        name, password = self.fields["login"], self.fields["password"]
        name.label = "Username or e-mail"
        name.widget = UnfoldAdminTextInputWidget(attrs={"autocomplete": "username", "autofocus": True})
        password.widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"})
        password.help_text = ""

    def add_prefix(self, field_name: str) -> str:
        """Send the name under the name that every client of the admin's form knows."""
        return "username" if field_name == "login" else super().add_prefix(field_name)

    def clean(self) -> Any:
        """Check the password; say so where the name has to wait, or belongs to no organization."""
        try:
            cleaned = super().clean()
        except ValidationError:
            if getattr(self.request, "axes_locked_out", False):
                self.locked_out = True
                raise ValidationError(
                    lockouts.sentence(self.request, self.cleaned_data["login"]), code="locked_out"
                ) from None
            raise ValidationError(WRONG, code="wrong") from None
        if self.user and not may_enter(self.user) and not invitations.brought(self.request):
            raise ValidationError(NOBODYS, code="no_organization")
        return cleaned


class InvitationForm(forms.ModelForm):
    """Whom to invite, where to, as what."""

    email = forms.EmailField(
        label="E-mail",
        widget=UnfoldAdminEmailInputWidget(attrs={"placeholder": "ann@example.com"}),
        help_text="Somebody without an account makes one by the link; somebody with one joins.",
    )

    class Meta:
        model = Invitation
        fields = ("organization", "email", "role")

    def clean(self) -> dict[str, Any]:
        """Say so where the person is a member already."""
        cleaned = super().clean() or {}
        email, organization = cleaned.get("email", ""), cleaned.get("organization")
        if email and organization:
            members = Membership.objects.filter(organization=organization)
            if members.filter(user__email__iexact=email).exists():
                raise ValidationError({"email": f"{email} is a member already; change the role there."})
        return cleaned


class RegisterForm(forms.Form):
    """The account of somebody who is invited."""

    name = forms.CharField(
        label="Your name",
        max_length=150,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "name", "autofocus": True}),
    )
    password = forms.CharField(
        label="Choose a password",
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="At least 8 characters, not a common one, and not your name or address.",
    )

    def __init__(self, invitation: Invitation, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self._invitation = invitation

    def clean(self) -> dict[str, Any]:
        """Hold the password against what is known of the person."""
        cleaned = super().clean() or {}
        if password := cleaned.get("password"):
            check_password(password, self._invitation, cleaned.get("name", ""))
        return cleaned


def check_password(password: str, invitation: Invitation, name: str) -> None:
    """Raise ValidationError, for the field ``password``, where it is too easy to guess."""
    person = get_user_model()(username=invitation.email, email=invitation.email, first_name=name)
    try:
        password_validation.validate_password(password, person)
    except ValidationError as error:
        raise ValidationError({"password": error.messages}) from None
