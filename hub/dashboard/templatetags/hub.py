"""Template tags of the hub's pages."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django import template
from django.conf import settings
from django.utils.html import conditional_escape, escape, format_html, format_html_join
from django.utils.safestring import SafeString
from markdown_it import MarkdownIt

from hub.accounts.access import organizations_for
from hub.connections.lost import affected, loss
from hub.dashboard.crumbs import trail
from hub.lib import html
from hub.lib.curl import curl
from hub.mapping.actions import action_label
from integrations.base.provider import Provider
from integrations.base.registry import get_provider

register = template.Library()
# ``js-default`` takes no raw HTML, so that an instruction text cannot bring a script.
_MARKDOWN = MarkdownIt("js-default", {"html": False, "linkify": False})

_CODE = re.compile(r"`+([^`]+)`+")

register.filter("pretty", html.pretty)
register.filter("pairs", html.pairs)
register.filter("tone", html.tone_of)
register.filter("curl", curl)
register.filter("action_label", action_label)


@register.filter
def state(value: str, label: str = "") -> SafeString:
    """Badge of a state."""
    return html.state_badge(str(value or ""), label)


@register.simple_tag
def badge(text: str, tone: str = "mute", icon: str = "") -> SafeString:
    """Badge with any text."""
    return html.badge(text, tone, icon)


@register.filter
def moment(value: datetime | None, empty: str = "–") -> SafeString:
    """Relative time, absolute on hover."""
    return html.moment(value, empty=empty)


@register.filter
def moment_full(value: datetime | None, empty: str = "–") -> SafeString:
    """Relative and absolute time."""
    return html.moment(value, full=True, empty=empty)


@register.filter
def markdown(text: str) -> SafeString:
    """Markdown as HTML; raw HTML in it stays text, links open beside the form."""
    rendered = _MARKDOWN.render(text or "")
    # Rendered with html off: what was HTML in the text is escaped (tests/security/test_injection.py).
    linked = rendered.replace("<a href=", '<a target="_blank" rel="noopener" href=')
    return SafeString(linked)  # nosec B703


@register.filter
def code(text: str) -> SafeString:
    """A sentence of the code's own documentation: what stands in backticks is set as code."""
    parts = _CODE.split(" ".join(str(text or "").split()))
    marks = ("{}", '<code class="ic-mono">{}</code>')
    return format_html_join("", "{}", ((format_html(marks[n % 2], part),) for n, part in enumerate(parts)))


@register.simple_tag(takes_context=True)
def crumbs(context: Any) -> dict[str, Any]:
    """The steps to this page, and its title."""
    return trail(context.flatten())


@register.filter
def provider_name(slug: str) -> str:
    """A provider's name, or its slug where the code is gone."""
    provider = _provider(slug)
    return provider.name if provider else slug


@register.simple_tag
def logo(slug: str, size: str = "") -> SafeString:
    """The coloured monogram of a provider."""
    provider = _provider(slug)
    name = provider.name if provider else slug
    return html.logo(name, provider.colour if provider else "#5b6472", size)


@register.inclusion_tag("parts/lost_keys.html", takes_context=True)
def lost_keys(context: Any) -> dict[str, Any]:
    """What every page says while a key is declared lost: what waits for whoever looks; else nothing."""
    request = context.get("request")
    if not settings.HUB.lost_keys or request is None or not request.user.is_authenticated:
        return {}
    mine = organizations_for(request.user)
    found = loss() if request.user.is_superuser else None
    return {"waiting": affected().filter(organization__in=mine).count(), "loss": found}


@register.filter
def waits(seconds: Any) -> str:
    """Waits in words: ``5 min, 1 h, 1 d``."""
    return ", ".join(map(_wait, seconds or [])) or "no further tries"


@register.filter
def get(mapping: Any, key: Any) -> Any:
    """An entry of a dict, or None."""
    return mapping.get(key) if hasattr(mapping, "get") else None


@register.inclusion_tag("parts/json.html")
def json_block(value: Any, title: str = "Data", *, open: bool = False) -> dict[str, Any]:
    """Pretty JSON (or text), folded."""
    return {"text": html.pretty(value) if value not in (None, "", b"") else "", "title": title, "open": open}


@register.filter
def hours(data: Iterable[dict[str, str]], size: str = "") -> SafeString:
    """The fields of Unfold's tracker, drawn without a template: the home page shows hundreds."""
    height = {"md": "h-6", "sm": "h-4"}.get(size, "h-8")
    drawn = '<span title="{}" class="px-px size-full {} hover:opacity-50 {}"></span>'
    return format_html_join("", drawn, ((each["tooltip"], each["color"], height) for each in data))


@register.filter
def options(groups: Iterable[tuple[str | None, Iterable[dict[str, Any]], int]]) -> SafeString:
    """The options of a select, as a widget groups them: a form has thousands, too many for a template."""
    return SafeString("".join(_options(groups)))  # nosec B703


def _options(groups: Iterable[tuple[str | None, Iterable[dict[str, Any]], int]]) -> Iterator[str]:
    for name, choices, _ in groups:
        if name:
            yield f'<optgroup label="{escape(name)}">'
        for option in choices:
            marks = "".join(_attribute(*mark) for mark in option["attrs"].items() if mark[1] is not False)
            label = conditional_escape(option["label"])
            yield f'<option value="{escape(str(option["value"]))}"{marks}>{label}</option>\n'
        if name:
            yield "</optgroup>"


def _attribute(name: str, value: Any) -> str:
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'


def _provider(slug: str) -> Provider | None:
    try:
        return get_provider(slug)
    except KeyError:
        return None


def _wait(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
