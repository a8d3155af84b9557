"""The form of an outgoing webhook."""

from typing import Any

from django import forms

from hub.accounts.models import Organization
from webhooks.subscriptions import Wanted

_AREA = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})


class SubscriptionForm(forms.Form):
    """What a subscription shall be; the service says what is wrong with it."""

    organization = forms.ModelChoiceField(Organization.objects.none())
    url = forms.CharField(
        label="Address",
        max_length=2000,
        help_text="Where the events go, for example https://hooks.example.com/interchange.",
    )
    types = forms.CharField(
        label="Event types",
        widget=_AREA,
        help_text="One a line: order.paid, order.* for everything that begins so, or * for all.",
    )
    name = forms.CharField(required=False, max_length=120, help_text="The address's host, unless given.")
    filter = forms.CharField(
        required=False,
        max_length=1000,
        help_text="JMESPath over the event, for example data.total > `100`; empty takes all.",
    )
    rate_count = forms.IntegerField(
        label="Messages at most",
        required=False,
        min_value=1,
        max_value=100_000,
        help_text="Empty: 20 a second.",
    )
    rate_seconds = forms.IntegerField(
        label="in so many seconds", required=False, min_value=1, max_value=86_400, help_text="Empty: 1."
    )
    allowed_hosts = forms.CharField(
        label="Hosts on private networks",
        required=False,
        widget=_AREA,
        help_text="Refused unless they stand here, one a line, as host or host:port.",
    )
    secret = forms.CharField(
        label="Signing secret",
        required=False,
        max_length=100,
        help_text="Empty: the hub makes one. Your own: whsec_ and 24 to 64 bytes in base64.",
        widget=forms.PasswordInput(),
    )

    def __init__(self, *args: Any, organizations: Any = None, **kwargs: Any) -> None:
        """``organizations``: those that may be chosen for a new one; None: it is there already."""
        super().__init__(*args, **kwargs)
        if organizations is None:
            del self.fields["organization"], self.fields["secret"]
        else:
            choice = forms.ModelChoiceField(organizations, initial=organizations.first(), empty_label=None)
            self.fields["organization"] = choice
            if organizations.count() < 2:
                choice.widget = forms.HiddenInput()
        for bound in self.fields.values():
            bound.widget.attrs |= {"class": "ic-input", "autocomplete": "off"}

    def wanted(self) -> Wanted:
        """Return what was entered; only of a form that is valid."""
        given = self.cleaned_data
        count, seconds = given["rate_count"], given["rate_seconds"]
        return Wanted(
            url=given["url"],
            types=_lines(given["types"]),
            name=given["name"],
            filter=given["filter"],
            rate=(count or 20, seconds or 1) if count or seconds else None,
            allowed_hosts=_lines(given["allowed_hosts"]),
        )

    def refuse(self, errors: dict[str, str]) -> None:
        """Show what the service said, at the fields that it means."""
        names = {"rate_limit": "rate_count"}
        for name, text in errors.items():
            place = names.get(name, name)
            self.add_error(place if place in self.fields else None, text)


def initial_of(wanted: Wanted) -> dict[str, Any]:
    """Return the form's first values for what is there."""
    count, seconds = wanted.rate or (None, None)
    return {
        "url": wanted.url,
        "types": "\n".join(wanted.types),
        "name": wanted.name,
        "filter": wanted.filter,
        "rate_count": count,
        "rate_seconds": seconds,
        "allowed_hosts": "\n".join(wanted.allowed_hosts),
    }


def _lines(text: str) -> list[str]:
    return [each.strip() for each in text.replace(",", "\n").splitlines() if each.strip()]
