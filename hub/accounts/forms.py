"""Forms of the people pages."""

from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Q
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from hub.accounts.models import APIKey, Membership, Scope
from hub.accounts.networks import read_networks


class NetworksField(forms.CharField):
    """Addresses and networks, one a line; the value is a list in CIDR notation, empty for anywhere."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        try:
            return read_networks(str(value or ""))
        except ValueError as error:
            raise ValidationError(str(error)) from None

    def validate(self, value: Any) -> None:
        """Nothing beyond what was read."""

    def run_validators(self, value: Any) -> None:
        """A list has no length of characters."""


class APIKeyForm(forms.ModelForm):
    """A key: what it is for, what it may do, until when and from where."""

    allowed_networks = NetworksField(
        required=False,
        label="Only from these networks",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "placeholder": "203.0.113.7\n10.0.0.0/8"}),
        help_text="One address or network (IPv4 or IPv6) a line. Empty: from anywhere.",
    )

    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        initial=[Scope.EVENTS_WRITE],
        help_text="Give a key only what its application needs.",
    )

    class Meta:
        model = APIKey
        fields = ("organization", "name", "scopes", "expires_at", "allowed_networks")
        help_texts = {"expires_at": "The key is refused from then on. Empty: it never expires."}

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        if self.instance.pk:
            self.fields.pop("organization", None)


class MemberForm(forms.ModelForm):
    """A new member, named by e-mail address or user name; the account is made where there is none."""

    person = forms.CharField(
        label="E-mail or user name",
        max_length=150,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "ann@example.com"}),
        help_text="Somebody without an account gets one; the first password is shown once after saving.",
    )

    class Meta:
        model = Membership
        fields = ("organization", "person", "role")

    def clean(self) -> dict[str, Any]:
        """Find the account; say so where the person is a member already."""
        cleaned = super().clean() or {}
        name, organization = cleaned.get("person", "").strip(), cleaned.get("organization")
        if not name:
            return cleaned
        users = get_user_model()._default_manager
        found = list(users.filter(Q(username__iexact=name) | Q(email__iexact=name))[:2])
        if len(found) > 1:
            raise ValidationError({"person": "Several accounts have this address; give the user name."})
        self.account = found[0] if found else None
        already = self.account and Membership.objects.filter(user=self.account, organization=organization)
        if already and already.exists():
            raise ValidationError({"person": f"{name} is a member already; change the role there."})
        return cleaned
