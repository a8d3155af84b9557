"""A provider's declaration as data: what the API's catalogue tells, with JSON Schema (2020-12)."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from integrations.base.auth import AuthScheme
from integrations.base.fields import Field
from integrations.base.provider import Action, Provider
from integrations.base.registry import get_provider

#: A field's kind → its type.
_TYPES: dict[str, dict[str, Any]] = {
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "list": {"type": "array", "items": {"type": "string"}},
    "url": {"type": "string", "format": "uri"},
    "email": {"type": "string", "format": "email"},
}


def fields_schema(fields: Iterable[Field]) -> dict[str, Any]:
    """Return the JSON Schema of an object with ``fields``; secrets are marked ``writeOnly``."""
    declared = list(fields)
    return {
        "type": "object",
        "properties": {each.name: _field(each) for each in declared},
        "required": [each.name for each in declared if each.required and each.default is None],
        "additionalProperties": False,
    }


def summary_of(provider: Provider) -> dict[str, Any]:
    """Return what a list of providers says of one."""
    return {
        "slug": provider.slug,
        "name": provider.name,
        "category": provider.category,
        "summary": provider.summary,
        "docs_url": provider.docs_url,
        "actions": [action.name for action in provider.actions],
        "pulls": [pull.name for pull in provider.pulls],
        "webhooks": provider.webhook is not None,
    }


@lru_cache(maxsize=256)
def description_of(slug: str) -> dict[str, Any]:
    """Return all that is declared about a provider; raise KeyError. The answer is shared."""
    provider = get_provider(slug)
    limit = provider.rate_limit
    webhook = provider.webhook
    return {
        **summary_of(provider),
        "actions": [_action(action) for action in provider.actions],
        "pulls": [
            {"name": pull.name, "label": pull.label, "page_size": pull.page_size} for pull in provider.pulls
        ],
        "auth": [_scheme(provider, scheme) for scheme in provider.auth],
        "rate_limit": {"count": limit.count, "seconds": limit.seconds},
        "max_in_flight": provider.max_in_flight,
        "webhook": None
        if webhook is None
        else {
            "credential": fields_schema(webhook.fields),
            "events": [each.type for each in webhook.events],
        },
    }


def _scheme(provider: Provider, scheme: AuthScheme) -> dict[str, Any]:
    fields = provider.fields_for(scheme.key)
    return {
        "key": scheme.key,
        "label": scheme.label,
        "settings": fields_schema(each for each in fields if not each.secret),
        "credential": fields_schema(each for each in fields if each.secret),
        "sign_in": bool(scheme.token and scheme.token.grant == "code"),
    }


def _action(action: Action) -> dict[str, Any]:
    return {
        "name": action.name,
        "label": action.label,
        "help": action.help,
        "capability": action.capability,
        "batch_size": action.batch_size,
        "input": action.input.model_json_schema(by_alias=True),
    }


def _field(field: Field) -> dict[str, Any]:
    schema: dict[str, Any] = {"title": field.label, **_TYPES.get(field.kind, {"type": "string"})}
    if field.help:
        schema["description"] = field.help
    if field.secret:
        schema["writeOnly"] = True
    elif field.default is not None:
        schema["default"] = field.default
    if field.choices:
        schema["enum"] = [value for value, _ in field.choices]
    if schema["type"] == "string":
        schema["maxLength"] = field.max_length
        if field.pattern:
            schema["pattern"] = f"^(?:{field.pattern})$"
        if field.example:
            schema["examples"] = [field.example]
    return schema
