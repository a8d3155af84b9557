"""Secrets that are found again wherever they turn up, for every declared field."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from django.apps import apps
from django.contrib.sessions.models import Session

from hub.lib.fields import EncryptedJSONField
from integrations.base.fields import Field
from integrations.base.samples import sample_value

#: Tried in this order until one fits the field's pattern; each is nowhere else.
SENTINELS = ("SENTINELq7Zx41vKp0", "5e471e15e471e15e471e1", "719004171900417190041")


def plant(
    fields: Iterable[Field], overrides: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], set[str]]:
    """Return valid values for ``fields``, a sentinel in every secret, and the sentinels to look for."""
    values: dict[str, Any] = {}
    needles: set[str] = set()
    for field in fields:
        value = (overrides or {}).get(field.name, sample_value(field))
        if value is None:
            continue
        if field.secret and not field.choices:
            value, planted = planted_in(field, str(value))
            needles |= planted
        values[field.name] = value
    return values, needles


def planted_in(field: Field, sample: str) -> tuple[str, set[str]]:
    """Return a valid secret and what to look for; of a key pair, which takes no addition, its lines."""
    if field.sample is None:
        for sentinel in SENTINELS:
            for value in (sample + sentinel, sample[: -len(sentinel)] + sentinel):
                try:
                    field.clean(value)
                except ValueError:
                    continue
                return value, {sentinel}
    lines = {line for line in sample.splitlines() if len(line) > 24 and "-----" not in line}
    return sample, lines or {sample}


def forms(needle: str) -> set[str]:
    """Return ``needle`` as it stands in plain text and inside base64, wherever it begins there."""
    found = {needle}
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + needle.encode()).decode()
        found.add(encoded[4 : -4 if len(encoded) > 20 else None])
    return found


def holders(needles: set[str], texts: Iterable[tuple[str, str]]) -> list[str]:
    """Return the names of those (name, text) pairs that hold a needle in any form."""
    wanted = {form for needle in needles for form in forms(needle)}
    return [name for name, text in texts if any(form in text for form in wanted)]


def columns() -> Iterable[tuple[str, str]]:
    """(name, text) of everything the database holds outside the encrypted columns, sessions opened."""
    for model in apps.get_models():
        if not model._meta.managed:
            continue
        for field in model._meta.local_concrete_fields:
            if isinstance(field, EncryptedJSONField):
                continue
            for value in model._base_manager.values_list(field.attname, flat=True):
                text = bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)
                yield f"{model._meta.label}.{field.name}", text
    for session in Session.objects.all():
        yield "an opened session", str(session.get_decoded())


def ciphertexts() -> Iterable[str]:
    """Every value of an encrypted column as it stands in the database."""
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, EncryptedJSONField):
                for row in model._base_manager.exclude(**{field.name: None}).only("pk", field.name):
                    yield str(row.__dict__[field.attname])
