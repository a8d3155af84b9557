"""The providers that the hub knows, and what each can do."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts.models import Scope
from hub.api import schemas
from hub.api.base import HubView
from hub.api.pagination import choice, only_known
from integrations.base.json_schema import description_of, summary_of
from integrations.base.provider import CATEGORIES
from integrations.base.registry import providers

_SCHEMA = "JSON Schema (2020-12)."


def _schema(said: str) -> serializers.Field:
    return serializers.DictField(help_text=f"{said} {_SCHEMA}")


_SUMMARY: dict[str, serializers.Field] = {
    "slug": schemas.text(),
    "name": schemas.text(),
    "category": schemas.text(),
    "summary": schemas.text(),
    "docs_url": schemas.text(),
    "webhooks": serializers.BooleanField(help_text="Whether the hub takes its webhooks."),
}
PROVIDER = schemas.shape(
    "ProviderSummary", {**_SUMMARY, "actions": schemas.texts(), "pulls": schemas.texts()}
)
PROVIDER_LIST = schemas.shape("ProviderList", {"providers": PROVIDER(many=True)})
ACTION = schemas.shape(
    "Action",
    {
        "name": schemas.text(),
        "label": schemas.text(),
        "help": schemas.text(),
        "capability": serializers.BooleanField(help_text="Other providers can stand in for it."),
        "batch_size": schemas.number(),
        "input": _schema("What it takes."),
    },
)
PULL = schemas.shape("Pull", {"name": schemas.text(), "label": schemas.text(), "page_size": schemas.number()})
AUTH = schemas.shape(
    "AuthScheme",
    {
        "key": schemas.text(),
        "label": schemas.text(),
        "settings": _schema("Settings of an integration."),
        "credential": _schema("Its secrets."),
        "sign_in": serializers.BooleanField(help_text="A person signs in at the provider, in the admin."),
    },
)
RATE = schemas.shape("RateLimit", {"count": schemas.number(), "seconds": schemas.number()})
HOOK = schemas.shape(
    "ProviderWebhook", {"credential": _schema("Signing secrets."), "events": schemas.texts()}
)
DETAIL = schemas.shape(
    "Provider",
    {
        **_SUMMARY,
        "actions": ACTION(many=True),
        "pulls": PULL(many=True),
        "auth": AUTH(many=True),
        "rate_limit": RATE(),
        "max_in_flight": schemas.number(),
        "webhook": HOOK(allow_null=True),
    },
)
SHORT: dict[str, Any] = {
    "slug": "http",
    "name": "HTTP",
    "category": "automation",
    "summary": "Any HTTP API.",
    "docs_url": "https://www.rfc-editor.org/rfc/rfc9110",
    "actions": ["email.send"],
    "pulls": [],
    "webhooks": True,
}
FIELDS = {
    "type": "object",
    "properties": {"url": {"title": "Address", "type": "string", "format": "uri"}},
    "required": ["url"],
}
LONG: dict[str, Any] = {
    **SHORT,
    "actions": [
        {
            "name": "email.send",
            "label": "Send",
            "help": "",
            "capability": False,
            "batch_size": 1,
            "input": {"type": "object", "properties": {}},
        }
    ],
    "auth": [{"key": "none", "label": "None", "settings": FIELDS, "credential": {}, "sign_in": False}],
    "rate_limit": {"count": 10, "seconds": 1},
    "max_in_flight": 8,
    "webhook": None,
}


class ProvidersView(HubView):
    """``/api/providers``."""

    http_method_names = ["get", "head"]
    required_scope = Scope.INTEGRATIONS_READ

    @extend_schema(
        operation_id="listProviders",
        summary="List providers",
        parameters=[
            schemas.query("category", f"One of: {', '.join(CATEGORIES)}.", enum=list(CATEGORIES)),
            schemas.query("action", "Providers that have this action: email.send"),
        ],
        responses=schemas.answers({200: PROVIDER_LIST}, 400),
        examples=[schemas.example("Providers", {"providers": [SHORT]})],
        tags=["Providers"],
    )
    def get(self, request: Request) -> Response:
        """List what can be connected."""
        only_known(request, "category", "action", but=("cursor", "limit"))
        category = choice(request, "category", list(CATEGORIES))
        action = request.query_params.get("action", "")
        found = [summary_of(provider) for provider in providers().values()]
        return Response(
            {
                "providers": [
                    each
                    for each in found
                    if category in ("", each["category"]) and (not action or action in each["actions"])
                ]
            }
        )


class ProviderView(HubView):
    """``/api/providers/{provider}``."""

    http_method_names = ["get", "head"]
    required_scope = Scope.INTEGRATIONS_READ

    @extend_schema(
        operation_id="readProvider",
        summary="A provider: settings, secrets and actions with JSON Schema",
        parameters=[OpenApiParameter("provider", str, OpenApiParameter.PATH, description="Slug.")],
        responses=schemas.answers({200: DETAIL}, 404),
        examples=[schemas.example("A provider", LONG)],
        tags=["Providers"],
    )
    def get(self, request: Request, provider: str) -> Response:
        """Describe one."""
        try:
            return Response(description_of(provider))
        except KeyError:
            raise NotFound(f"There is no provider {provider!r}; /api/providers lists them.") from None
