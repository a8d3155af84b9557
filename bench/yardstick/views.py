"""One event in, two queue items made: authentication, serializer, generic view and ORM."""

from typing import Any

from django.db import transaction
from django.utils import timezone
from rest_framework import generics, serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request

from hub.accounts.models import APIKey, Organization
from hub.delivery.models import QueueItem
from hub.events.models import Event, Route


class Application:
    """Who calls."""

    is_authenticated = True

    def __init__(self, organization: Organization):
        self.organization = organization


class KeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer ick_…``."""

    def authenticate(self, request: Request) -> tuple[Application, APIKey]:
        """Find the key by one query; raise AuthenticationFailed."""
        key = APIKey.find(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if key is None:
            raise AuthenticationFailed("The API key is unknown.")
        return Application(key.organization), key


class EventSerializer(serializers.ModelSerializer[Event]):
    """An event as it is sent, and as it is answered."""

    items = serializers.IntegerField(read_only=True)

    class Meta:
        model = Event
        fields = ("id", "type", "subject", "source", "data", "idempotency_key", "items")
        read_only_fields = ("id",)


class EventCreate(generics.CreateAPIView[Event]):
    """``POST /api/events``."""

    authentication_classes = [KeyAuthentication]
    permission_classes = [IsAuthenticated]
    serializer_class = EventSerializer

    def perform_create(self, serializer: Any) -> None:
        """Save the event and an item for every route that wants it, in one transaction."""
        organization = self.request.user.organization
        now = timezone.now()
        kind = serializer.validated_data["type"]
        with transaction.atomic():
            event = serializer.save(organization=organization, time=now)
            routes = Route.objects.filter(organization=organization, enabled=True, type_pattern=kind)
            items = QueueItem.objects.bulk_create([_item(event, route, now) for route in routes])
        event.items = len(items)


def _item(event: Event, route: Route, now: Any) -> QueueItem:
    return QueueItem(
        organization_id=event.organization_id,
        integration_id=route.integration_id,
        action=route.action,
        mapping_id=route.mapping_id,
        source_id=event.pk,
        route_id=route.pk,
        label=event.type,
        subject=event.subject,
        priority=route.priority,
        due_at=now,
        claim_order=QueueItem.order(now, route.priority),
    )
