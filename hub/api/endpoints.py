"""Webhook endpoints by the API. The address is a secret: it is told once, when it is made."""

from datetime import datetime
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from pydantic import Field
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts.models import Scope
from hub.api import schemas
from hub.api.configured import ConfiguredList, ConfiguredOne, ConfiguredView, partial
from hub.config.document import EndpointBase, EndpointEntry
from hub.config.snapshot import endpoint_snapshot, stored_keys
from webhooks.models import WebhookEndpoint
from webhooks.service import endpoint_url, new_address


class EndpointIn(EndpointBase):
    """A secret address that one integration's provider calls."""

    credential: dict[str, str] = Field(
        default_factory=dict,
        description="Signing secret → value; replaced ones hold for 24 hours more. Never shown again.",
    )


class EndpointOut(EndpointBase):
    """A webhook endpoint, without its address."""

    id: UUID
    credential_set: list[str] = Field(description="Names of the signing secrets that are set.")
    last_call_at: datetime | None = Field(description="When it was called last.")


class EndpointMade(EndpointOut):
    """A webhook endpoint with its address, told this once."""

    address: str = Field(description="To be entered at the provider.")


SENT: dict[str, Any] = {
    "slug": "stripe-eu",
    "integration": "stripe-eu",
    "name": "Stripe Europe",
    "credential": {"webhook_signing_secret": "whsec_…"},
}
SHOWN: dict[str, Any] = {
    "slug": "stripe-eu",
    "name": "Stripe Europe",
    "integration": "stripe-eu",
    "enabled": True,
    "rate_per_minute": 100,
    "id": "01980f6e-2f9a-7c31-9d6e-0a1b2c3d4e5f",
    "credential_set": ["webhook_signing_secret"],
    "last_call_at": None,
}
MADE = {**SHOWN, "address": "https://hub.example.com/webhooks/…/"}
ONE = schemas.example("An endpoint", SHOWN)
ENDPOINT = OpenApiParameter("endpoint", str, OpenApiParameter.PATH, description="Slug or id.")


class _Endpoints(ConfiguredView):
    section, kind, form, entry = "webhook_endpoints", "webhook endpoint", EndpointIn, EndpointEntry
    relations = ("integration",)

    def written(self, row: WebhookEndpoint) -> dict[str, Any]:
        return endpoint_snapshot(row)

    def facts(self, row: WebhookEndpoint) -> dict[str, Any]:
        return {
            **endpoint_snapshot(row),
            "id": str(row.pk),
            "credential_set": sorted(stored_keys(row)),
            "last_call_at": row.last_call_at,
        }

    def versioned(self, row: WebhookEndpoint) -> dict[str, Any]:
        return {name: value for name, value in self.facts(row).items() if name != "last_call_at"}


class EndpointsView(_Endpoints, ConfiguredList):
    """``/api/webhook-endpoints``."""

    http_method_names = ["get", "head", "post"]

    @extend_schema(
        operation_id="listWebhookEndpoints",
        summary="List webhook endpoints, newest first",
        parameters=[
            schemas.query("integration", "Slug of an integration."),
            schemas.CURSOR,
            schemas.LIMIT,
        ],
        responses=schemas.answers({200: schemas.pages_of("WebhookEndpoint", EndpointOut)}, 400),
        examples=[schemas.page_example("Endpoints", SHOWN)],
        tags=["Webhook endpoints"],
    )
    def get(self, request: Request) -> Response:
        """List the organization's endpoints."""
        return self.listed(request, integration="integration__slug")

    @extend_schema(
        operation_id="createWebhookEndpoint",
        summary="Make a webhook endpoint",
        description="The answer tells the address, this once. Calls are refused until its secrets are set.",
        request={"application/json": EndpointIn},
        responses=schemas.answers({201: EndpointMade}, 400, 409, 413, 415),
        examples=[
            OpenApiExample("Stripe", SENT, request_only=True),
            schemas.example("An endpoint", MADE, 201),
        ],
        tags=["Webhook endpoints"],
    )
    def post(self, request: Request) -> Response:
        """Make an endpoint."""
        row, _ = self.made()
        return self.created(row, address=endpoint_url(row))


class EndpointView(_Endpoints, ConfiguredOne):
    """``/api/webhook-endpoints/{endpoint}``."""

    @extend_schema(
        operation_id="readWebhookEndpoint",
        summary="A webhook endpoint",
        parameters=[ENDPOINT],
        responses=schemas.answers({200: EndpointOut}, 404),
        examples=[ONE],
        tags=["Webhook endpoints"],
    )
    def get(self, request: Request, endpoint: str) -> Response:
        """Show one endpoint without its address and secrets."""
        return self.answer(self.find(endpoint))

    @extend_schema(
        operation_id="changeWebhookEndpoint",
        summary="Change a webhook endpoint, or give it new secrets",
        parameters=[ENDPOINT],
        request={kind: partial(EndpointIn) for kind in schemas.PATCHES},
        responses=schemas.answers({200: EndpointOut}, 400, 404, 412, 413, 415, 428),
        examples=[*schemas.patch_examples("Switch off", {"enabled": False}), ONE],
        tags=["Webhook endpoints"],
    )
    def patch(self, request: Request, endpoint: str) -> Response:
        """Change what the body names."""
        return self.patched(endpoint)

    @extend_schema(
        operation_id="deleteWebhookEndpoint",
        summary="Delete a webhook endpoint",
        description="With the calls that it received. Its address answers 404 from then on.",
        parameters=[ENDPOINT],
        responses=schemas.answers({204: OpenApiResponse(description="Deleted.")}, 404, 412, 428),
        tags=["Webhook endpoints"],
    )
    def delete(self, request: Request, endpoint: str) -> Response:
        """Delete it."""
        return self.removed(endpoint)


class AddressView(_Endpoints):
    """``/api/webhook-endpoints/{endpoint}/address``."""

    http_method_names = ["post"]
    required_scope = Scope.CONFIG_WRITE

    @extend_schema(
        operation_id="renewWebhookAddress",
        summary="Give an endpoint a new address",
        description="The old address is gone at once. The answer tells the new one, this once.",
        parameters=[ENDPOINT],
        request=None,
        responses=schemas.answers({200: EndpointMade}, 404),
        examples=[schemas.example("An endpoint", MADE)],
        tags=["Webhook endpoints"],
    )
    def post(self, request: Request, endpoint: str) -> Response:
        """Make a new address."""
        row = self.find(endpoint)
        return self.answer(row, address=new_address(row))
