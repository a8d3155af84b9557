"""Small pieces of HTML that lists and pages share: badges, times, folded JSON."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

#: How a state looks. The badge always says the word too: colour alone tells nothing.
TONES = {
    **dict.fromkeys(("ok", "active", "completed", "processed", "closed", "queued", "enabled", "on"), "good"),
    **dict.fromkeys(
        ("pending", "processing", "running", "received", "waiting", "sandbox", "default"), "info"
    ),
    **dict.fromkeys(
        ("paused", "degraded", "half_open", "transient", "rate_limited", "warn", "warning", "expired"), "warn"
    ),
    **dict.fromkeys(
        (
            "failed",
            "refused",
            "down",
            "open",
            "reconnect",
            "error",
            "auth",
            "permanent",
            "rejected",
            "mapping",
            "revoked",
        ),
        "bad",
    ),
}
#: Kinds of errors in words; any other state is its own word.
WORDS = {
    "ok": "Succeeded",
    "transient": "Failed, tried again",
    "rate_limited": "Asked to wait",
    "auth": "Credential refused",
    "permanent": "Gave up",
    "rejected": "Data refused",
}
ICONS = {"good": "check_circle", "info": "schedule", "warn": "warning", "bad": "error", "mute": "remove"}

_STEPS = ((60, 1, "second"), (3600, 60, "minute"), (86400, 3600, "hour"), (86400 * 60, 86400, "day"))


def tone_of(state: str) -> str:
    """Return good, info, warn, bad or mute for a state's value."""
    return TONES.get(state, "mute")


# By type too: the same letters are safe HTML in one place and somebody's text in another.
@lru_cache(maxsize=2048, typed=True)
def badge(text: str, tone: str = "mute", icon: str = "") -> SafeString:
    """Return a badge with text and icon; a list shows the same few a hundred times."""
    sign = format_html(
        '<span class="material-symbols-outlined" aria-hidden="true">{}</span>',
        icon or ICONS.get(tone, "remove"),
    )
    return format_html('<span class="ic-badge ic-{}">{}{}</span>', tone, sign, text)


def state_badge(state: str, label: str = "") -> SafeString:
    """Return the badge of a state's value; ``label`` in place of the value in words."""
    return badge(label or WORDS.get(state) or state.replace("_", " ").capitalize(), tone_of(state))


def ago(value: datetime, now: datetime | None = None) -> str:
    """Return ``5 minutes ago``, ``in 2 hours`` or ``just now``."""
    seconds = int(((now or timezone.now()) - value).total_seconds())
    distance = abs(seconds)
    if distance < 5:
        return "just now"
    step = next((step for step in _STEPS if distance < step[0]), None)
    if step is None:
        return _day(timezone.localtime(value))
    _, size, word = step
    count = distance // size
    words = f"{count} {word}" + ("s" if count != 1 else "")
    return f"{words} ago" if seconds > 0 else f"in {words}"


def _day(local: datetime) -> str:
    # Django's own way of saying this takes a twentieth of a millisecond, and a list says it a hundred times.
    return f"{local.day} {local:%b %Y}"


def moment(value: datetime | None, *, full: bool = False, empty: str = "–") -> SafeString:
    """Return a ``<time>``: relative, with the absolute time on hover or, with ``full``, beside it."""
    if value is None:
        return format_html("{}", empty)
    local = timezone.localtime(value)
    absolute = f"{_day(local)}, {local:%H:%M:%S %Z}"
    beside = format_html(' <span class="ic-dim">· {}</span>', absolute) if full else ""
    return format_html(
        '<time datetime="{}" title="{}">{}{}</time>', value.isoformat(), absolute, ago(value), beside
    )


def pretty(value: Any) -> str:
    """Return JSON over several lines; a text that is JSON itself too; any other text as it is."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return str(value)
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def pairs(value: Any) -> list[tuple[str, str]]:
    """Return the entries of a mapping (headers, settings) in order, as text."""
    if not isinstance(value, Mapping):
        return []
    return [(str(key), ", ".join(map(str, v)) if isinstance(v, list) else str(v)) for key, v in value.items()]


@lru_cache(maxsize=512)
def monogram(name: str) -> str:
    """Return one or two letters for a name: Amazon SES is AS, HubSpot HS, Stripe St."""
    words = [word for word in name.replace("-", " ").replace("(", " ").split() if word[0].isalnum()]
    named = [word for word in words if not word[0].islower()] or words
    if len(named) > 1:
        return (named[0][0] + named[1][0]).upper()
    if not named:
        return "?"
    capitals = [letter for letter in named[0] if letter.isupper()]
    if 1 < len(capitals) < len(named[0]):
        return "".join(capitals[:2])
    return named[0][:2].upper() if len(capitals) > 1 else named[0][:2].capitalize()


def logo(name: str, colour: str, size: str = "") -> SafeString:
    """Return the coloured monogram of a provider; ``size``: nothing, ``sm`` or ``lg``."""
    ground, ink = readable(colour)
    return format_html(
        '<span class="ic-logo {}" style="--ic-brand: {}; --ic-ink: {}" aria-hidden="true">{}</span>',
        f"ic-logo-{size}" if size else "",
        ground,
        ink,
        monogram(name),
    )


@lru_cache(maxsize=512)
def readable(colour: str) -> tuple[str, str]:
    """Return background and text colour for a brand's ``#rrggbb``: 4.5 to 1 at least, as WCAG AA wants it.

    A light colour gets black text; another is darkened until white can be read on it.
    """
    channels = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    if _luminance(channels) > _LIGHT:
        return colour, "#000000"
    while 1.05 / (_luminance(channels) + 0.05) < _CONTRAST:
        channels = [int(channel * 0.97) for channel in channels]
    return "#" + "".join(f"{channel:02x}" for channel in channels), "#ffffff"


_LIGHT, _CONTRAST = 0.3, 4.6


def _luminance(channels: list[int]) -> float:
    """Relative luminance, as WCAG defines it."""
    parts = [channel / 255 for channel in channels]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
