"""What the pages of signing in are made of."""

from typing import Any

from django import template
from django.conf import settings
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def sends_mail() -> bool:
    """Whether this hub has a mail server: without one no link can be sent to anybody."""
    return bool(settings.HUB.sends_mail)


@register.filter
def as_input(field: Any) -> SafeString:
    """A form's field in the house's look, whatever widget its library gave it."""
    known = str(field.field.widget.attrs.get("class", ""))
    look = {"class": f"{known} ic-input".strip()}
    if field.errors:
        look["aria-invalid"] = "true"
    return SafeString(field.as_widget(attrs=look))  # nosec B703 (a widget escapes what it shows)
