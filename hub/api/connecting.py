"""Integrations by the API: listing, connecting, changing, removing. Secrets go in and never come out."""

from typing import Any
from uuid import UUID

from django.db.models import Q
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from pydantic import Field
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts.models import Scope
from hub.api import schemas
from hub.api.configured import ConfiguredList, ConfiguredOne, ConfiguredView, names_of, partial
from hub.config.document import IntegrationBase, IntegrationEntry
from hub.config.snapshot import integration_snapshot, stored_secrets
from hub.connections.models import Integration, Status
from hub.events.models import RouteFallback
from hub.sync.models import Sync


class IntegrationIn(IntegrationBase):
    """One configured provider with its secrets, which can be written only."""

    credential: dict[str, str] = Field(
        default_factory=dict, description="Secret field → value; what is left out stays. Never shown again."
    )
    paused: bool = Field(False, description="A paused integration holds its queue; nothing is dropped.")


class IntegrationOut(IntegrationBase):
    """An integration as it is set up."""

    id: UUID
    paused: bool
    status: str = Field(description="active, paused or reconnect")
    status_reason: str
    account: str = Field(description="The connected account, as the provider calls it.")
    credential_set: list[str] = Field(description="Names of the secrets that are set.")


SENT: dict[str, Any] = {
    "slug": "warehouse",
    "provider": "http",
    "name": "Warehouse",
    "auth": "bearer",
    "credential": {"token": "example-token-0000"},
    "settings": {"url": "https://hooks.example.com/interchange"},
    "sandbox": True,
    "limits": {"rate_count": 50, "rate_seconds": 1},
}
SHOWN: dict[str, Any] = {
    "slug": "warehouse",
    "provider": "http",
    "name": "Warehouse",
    "auth": "bearer",
    "sandbox": True,
    "settings": {"url": "https://hooks.example.com/interchange"},
    "allowed_hosts": [],
    "limits": {"rate_count": 50, "rate_seconds": 1, "batch_size": 50, "quick_tries": 3},
    "id": "01980f6e-2f9a-7c31-9d6e-0a1b2c3d4e5f",
    "paused": False,
    "status": "active",
    "status_reason": "",
    "account": "hooks.example.com",
    "credential_set": ["token"],
}
ONE = schemas.example("An integration", SHOWN)


class _Integrations(ConfiguredView):
    section, kind, form, entry = "integrations", "integration", IntegrationIn, IntegrationEntry
    several = ("credential",)
    required_scope = {
        "GET": Scope.INTEGRATIONS_READ,
        "POST": Scope.INTEGRATIONS_WRITE,
        "PATCH": Scope.INTEGRATIONS_WRITE,
        "DELETE": Scope.INTEGRATIONS_WRITE,
    }

    def written(self, row: Integration) -> dict[str, Any]:
        return {**integration_snapshot(row), "paused": row.status == Status.PAUSED}

    def facts(self, row: Integration) -> dict[str, Any]:
        return {
            **self.written(row),
            "id": str(row.pk),
            "status": row.status,
            "status_reason": row.status_reason,
            "account": row.account_label,
            "credential_set": sorted(stored_secrets(row)),
        }


class IntegrationsView(_Integrations, ConfiguredList):
    """``/api/integrations``."""

    http_method_names = ["get", "head", "post"]

    @extend_schema(
        operation_id="listIntegrations",
        summary="List integrations, newest first",
        parameters=[
            schemas.query("provider", "Slug of a provider."),
            schemas.CURSOR,
            schemas.LIMIT,
        ],
        responses=schemas.answers({200: schemas.pages_of("Integration", IntegrationOut)}, 400),
        examples=[schemas.page_example("Integrations", SHOWN)],
        tags=["Integrations"],
    )
    def get(self, request: Request) -> Response:
        """List how integrations are set up; how they do is told by status and health."""
        return self.listed(request, provider="provider_slug")

    @extend_schema(
        operation_id="createIntegration",
        summary="Connect an integration",
        description="Settings and secrets are those that `/api/providers/{provider}` declares.",
        request={"application/json": IntegrationIn},
        responses=schemas.answers({201: IntegrationOut}, 400, 409, 413, 415),
        examples=[
            OpenApiExample("Stripe", SENT, request_only=True),
            schemas.example("An integration", SHOWN, 201),
        ],
        tags=["Integrations"],
    )
    def post(self, request: Request) -> Response:
        """Make an integration."""
        row, wanted = self.made()
        _pause(row, wanted)
        return self.created(row)


class IntegrationView(_Integrations, ConfiguredOne):
    """``/api/integrations/{integration}``."""

    @extend_schema(
        operation_id="readIntegration",
        summary="How an integration is set up",
        parameters=[schemas.INTEGRATION],
        responses=schemas.answers({200: IntegrationOut}, 404),
        examples=[ONE],
        tags=["Integrations"],
    )
    def get(self, request: Request, integration: str) -> Response:
        """Show one integration without its secrets."""
        return self.answer(self.find(integration))

    @extend_schema(
        operation_id="changeIntegration",
        summary="Change an integration, pause it, or give it new secrets",
        parameters=[schemas.INTEGRATION],
        request={kind: partial(IntegrationIn) for kind in schemas.PATCHES},
        responses=schemas.answers({200: IntegrationOut}, 400, 404, 412, 413, 415, 428),
        examples=[
            *schemas.patch_examples("A new key", {"credential": {"api_key": "rk_test_…"}}),
            *schemas.patch_examples("Pause", {"paused": True}),
            ONE,
        ],
        tags=["Integrations"],
    )
    def patch(self, request: Request, integration: str) -> Response:
        """Change what the body names."""
        return self.patched(integration, after=_pause)

    @extend_schema(
        operation_id="deleteIntegration",
        summary="Remove an integration",
        description="With its credential, queue and log. Refused while routes, syncs or endpoints need it.",
        parameters=[schemas.INTEGRATION],
        responses=schemas.answers({204: OpenApiResponse(description="Removed.")}, 404, 409, 412, 428),
        tags=["Integrations"],
    )
    def delete(self, request: Request, integration: str) -> Response:
        """Remove it."""
        return self.removed(integration)

    def users_of(self, row: Integration) -> list[str]:
        routes = self.organization.routes.filter(
            Q(integration=row) | Q(pk__in=RouteFallback.objects.filter(integration=row).values("route"))
        )
        return [
            *names_of(routes, "route"),
            *names_of(Sync.objects.filter(integration=row), "sync"),
            *names_of(self.organization.webhook_endpoints.filter(integration=row), "webhook endpoint"),
        ]


def _pause(row: Integration, wanted: Any) -> None:
    """Pause or resume where that is asked for; one that needs reconnecting is left to its credential."""
    if wanted.get("paused") is True and row.status != Status.PAUSED:
        row.pause("Paused by the API.")
    elif "paused" in wanted and not wanted["paused"] and row.status == Status.PAUSED:
        row.resume()
