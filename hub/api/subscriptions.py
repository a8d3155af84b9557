"""Outgoing webhooks by the API: subscriptions, secrets, tests, samples; REST hooks as Zapier calls them."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from drf_spectacular.utils import OpenApiExample, extend_schema
from pydantic import BaseModel
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts.models import Scope
from hub.api import schemas
from hub.api.base import HubView, row_of
from hub.api.bodies import read_object, require_json
from hub.api.conditional import etag, require_match
from hub.api.configured import lock
from hub.api.pagination import only_known, page
from hub.api.problems import Conflict, FieldProblem
from hub.api.subscription_forms import (
    GONE,
    HOOK_IN,
    MESSAGE,
    MESSAGE_SHOWN,
    NEW,
    ROTATE_IN,
    ROTATED,
    SECRET,
    SENT,
    SHOWN,
    SUBSCRIBED,
    SUBSCRIPTION,
    SUBSCRIPTION_IN,
    SUBSCRIPTION_PAGE,
    SUBSCRIPTION_PATCH,
    UNHOOK_IN,
    HookIn,
    RotateIn,
    SubscriptionIn,
    SubscriptionPatch,
    UnhookIn,
    read_form,
)
from integrations.base.fields import FieldErrors
from webhooks import subscriptions, watching
from webhooks.models import Subscription

TAGS = ["Subscriptions"]


class SubscriptionBase(HubView):
    """What the views of subscriptions have in common."""

    required_scope = Scope.SUBSCRIPTIONS_MANAGE

    def find(self, named: str) -> Subscription:
        """Return the organization's subscription; raise NotFound."""
        return row_of(subscriptions.rows(self.organization), named, "subscription")

    def sent(self) -> dict[str, Any]:
        """Return the object that was sent; raise what is wrong with it."""
        require_json(self.request)
        return read_object(self.raw_body)

    def subscribe(self, wanted: subscriptions.Wanted, secret: str = "") -> Response:
        """Make a subscription and answer with its secret, this once."""
        _check_https(wanted.url)
        try:
            made, secret = subscriptions.create(self.organization, wanted, secret=secret)
        except FieldErrors as error:
            raise _problem(error) from None
        headers = {"Location": f"/api/subscriptions/{made.pk}", "ETag": etag(_versioned(made))}
        return Response({**subscription_facts(made), "secret": secret}, status=201, headers=headers)


class SubscriptionsView(SubscriptionBase):
    """``/api/subscriptions``."""

    @extend_schema(
        operation_id="listSubscriptions",
        summary="Addresses that get events",
        parameters=[schemas.CURSOR, schemas.LIMIT],
        responses=schemas.answers({200: SUBSCRIPTION_PAGE}, 400),
        examples=[schemas.page_example("Subscriptions", SHOWN)],
        tags=TAGS,
    )
    def get(self, request: Request) -> Response:
        """List the organization's subscriptions, newest first."""
        only_known(request)
        return page(request, subscriptions.rows(self.organization), subscription_facts)

    @extend_schema(
        operation_id="createSubscription",
        summary="Subscribe an address to events",
        description="The answer holds the signing secret, this once.",
        request={"application/json": SUBSCRIPTION_IN},
        responses=schemas.answers({201: SUBSCRIBED}, 400, 413, 415),
        examples=[
            OpenApiExample("Orders and paid invoices", NEW, request_only=True),
            schemas.example("The secret, this once", {**SHOWN, "secret": SECRET}, 201),
        ],
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Make a subscription."""
        given = read_form(SubscriptionIn, self.sent())
        return self.subscribe(subscriptions.Wanted(**_wanted(given)), given.secret)


class SubscriptionView(SubscriptionBase):
    """``/api/subscriptions/{id}``."""

    http_method_names = ["get", "head", "patch", "delete"]
    versioned_answers = True

    @extend_schema(
        operation_id="readSubscription",
        summary="A subscription and where it stands",
        responses=schemas.answers({200: SUBSCRIPTION}, 404),
        examples=[schemas.example("A subscription", SHOWN)],
        tags=TAGS,
    )
    def get(self, request: Request, id: str) -> Response:
        """Show one subscription; its secret is never shown again."""
        return self._answer(self.find(id))

    @extend_schema(
        operation_id="changeSubscription",
        summary="Change a subscription, or switch it on or off",
        request=dict.fromkeys(schemas.PATCHES, SUBSCRIPTION_PATCH),
        responses=schemas.answers({200: SUBSCRIPTION}, 400, 404, 412, 413, 415, 428),
        examples=[
            *schemas.patch_examples("Switch it on again", {"enabled": True}),
            schemas.example("A subscription", SHOWN),
        ],
        tags=TAGS,
    )
    def patch(self, request: Request, id: str) -> Response:
        """Change what the body names."""
        require_match(request, _versioned(self.find(id)))
        given = read_form(SubscriptionPatch, self.sent())
        fields = _wanted(given)
        if "url" in fields:
            _check_https(fields["url"])
        with transaction.atomic():
            row = self._locked(id)
            if fields:
                try:
                    subscriptions.change(row, **fields)
                except FieldErrors as error:
                    raise _problem(error) from None
            on = given.enabled is not False
            if "enabled" in given.model_fields_set and on != row.enabled:
                _switch(row, on)
        return self._answer(row)

    @extend_schema(
        operation_id="deleteSubscription",
        summary="Unsubscribe an address",
        description="What waits for it is cancelled; the history of what was delivered stays. `If-Match` may "
        "be left out: senders of REST hooks know no versions.",
        responses=schemas.answers({204: GONE}, 404, 412),
        tags=TAGS,
    )
    def delete(self, request: Request, id: str) -> Response:
        """Unsubscribe."""
        with transaction.atomic():
            subscriptions.end(self._locked(id, needed=False))
        return Response(status=204)

    def _locked(self, named: str, *, needed: bool = True) -> Subscription:
        """Return the subscription in the version that the caller means, which nobody changes meanwhile."""
        lock(self.organization)
        row = self.find(named)
        require_match(self.request, _versioned(row), needed=needed)
        return row

    def _answer(self, row: Subscription) -> Response:
        return Response(subscription_facts(row), headers={"ETag": etag(_versioned(row))})


class RotateView(SubscriptionBase):
    """``/api/subscriptions/{id}/rotate``."""

    @extend_schema(
        operation_id="rotateSubscriptionSecret",
        summary="Replace the signing secret, with an overlap",
        description="During the overlap every message bears two signatures, one by each secret. The body may "
        "be left out: a made secret, a day of overlap.",
        request={"application/json": ROTATE_IN},
        responses=schemas.answers({200: ROTATED}, 400, 404, 413, 415),
        examples=[
            OpenApiExample("A made secret, two days of overlap", {"overlap_hours": 48}, request_only=True),
            schemas.example("Rotated", {"secret": SECRET, "previous_secret_until": "2026-11-05T12:00:00Z"}),
        ],
        tags=TAGS,
    )
    def post(self, request: Request, id: str) -> Response:
        """Rotate the secret and answer with the new one, this once."""
        row = self.find(id)
        given = read_form(RotateIn, self.sent() if self.raw_body.strip() else {})
        try:
            secret = subscriptions.rotate(
                row, secret=given.secret, overlap=timedelta(hours=given.overlap_hours)
            )
        except FieldErrors as error:
            raise _problem(error) from None
        return Response({"secret": secret, "previous_secret_until": row.previous_until})


class TestSubscriptionView(SubscriptionBase):
    """``/api/subscriptions/{id}/test``."""

    @extend_schema(
        operation_id="testSubscription",
        summary="Send a test event to a subscription",
        description="It travels as every event does; its story tells what came of it (`/api/events/{id}`).",
        request=None,
        responses=schemas.answers({202: SENT}, 404, 409),
        examples=[schemas.example("Sent", {"event": SHOWN["id"]}, 202)],
        tags=TAGS,
    )
    def post(self, request: Request, id: str) -> Response:
        """Queue a test event."""
        try:
            event = subscriptions.send_test(self.find(id), origin="api")
        except ValueError as error:
            raise Conflict(str(error)) from None
        return Response({"event": event.pk}, status=202, headers={"Location": f"/api/events/{event.pk}"})


class SampleView(SubscriptionBase):
    """``/api/subscriptions/sample``."""

    @extend_schema(
        operation_id="sampleSubscription",
        summary="Messages as a subscription would send them",
        description="Of the newest events of these types, else of the types' examples. Nothing is sent.",
        parameters=[schemas.query("types", "Event types with commas between them; all unless given.")],
        responses=schemas.answers({200: MESSAGE(many=True)}, 400),
        examples=[schemas.example("One message", [MESSAGE_SHOWN])],
        tags=TAGS,
    )
    def get(self, request: Request) -> Response:
        """Show a sample."""
        only_known(request, "types")
        types = [each.strip() for each in request.query_params.get("types", "*").split(",") if each.strip()]
        if problem := subscriptions.types_problem(types):
            raise FieldProblem([("types", problem)])
        return Response(subscriptions.sample(self.organization, types))


class SubscribeView(SubscriptionBase):
    """``/api/subscriptions/subscribe``."""

    @extend_schema(
        operation_id="subscribeHook",
        summary="Subscribe, in the way of REST hooks (Zapier)",
        request={"application/json": HOOK_IN},
        responses=schemas.answers({201: SUBSCRIBED}, 400, 413, 415),
        examples=[
            OpenApiExample(
                "Zapier",
                {"target_url": "https://hooks.zapier.com/hooks/standard/1/abc", "event": "order.paid"},
                request_only=True,
            ),
            schemas.example("The secret, this once", {**SHOWN, "secret": SECRET}, 201),
        ],
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Make a subscription of one address to one type of event."""
        given = read_form(HookIn, self.sent())
        name = f"{urlsplit(given.target_url).hostname or 'Hook'}: {given.event}"
        try:
            return self.subscribe(
                subscriptions.Wanted(url=given.target_url, types=[given.event], name=name[:120])
            )
        except FieldProblem as error:
            names = {"url": "target_url", "types": "event"}
            told = [(names.get(each["field"], each["field"]), each["message"]) for each in error.errors]
            raise FieldProblem(told) from None


class UnsubscribeView(SubscriptionBase):
    """``/api/subscriptions/unsubscribe``."""

    http_method_names = ["post", "delete"]

    @extend_schema(
        operation_id="unsubscribeHook",
        summary="Unsubscribe, in the way of REST hooks (Zapier)",
        description="By `id`, or by `target_url`: every subscription of that address ends.",
        request={"application/json": UNHOOK_IN},
        responses=schemas.answers({204: GONE}, 400, 404, 413, 415),
        examples=[OpenApiExample("By address", {"target_url": NEW["url"]}, request_only=True)],
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """End the subscriptions that are meant."""
        given = read_form(UnhookIn, self.sent())
        if bool(given.id) == bool(given.target_url):
            raise FieldProblem([("id", "One of 'id' and 'target_url' is needed.")])
        for row in [self.find(given.id)] if given.id else self._of(given.target_url):
            subscriptions.end(row)
        return Response(status=204)

    @extend_schema(
        operation_id="unsubscribeHookByDelete",
        summary="The same, for senders of REST hooks that delete",
        request={"application/json": UNHOOK_IN},
        responses=schemas.answers({204: GONE}, 400, 404, 413, 415),
        examples=[OpenApiExample("By address", {"target_url": NEW["url"]}, request_only=True)],
        tags=TAGS,
    )
    def delete(self, request: Request) -> Response:
        """Do the same: some senders of REST hooks delete."""
        return self.post(request)

    def _of(self, url: str) -> list[Subscription]:
        found = list(subscriptions.rows(self.organization).filter(integration__settings__url=url))
        if not found:
            raise NotFound("Nothing is sent to this address.")
        return found


def subscription_facts(row: Subscription) -> dict[str, Any]:
    """Return a subscription as the API shows it: never a secret."""
    wanted = subscriptions.wanted_of(row)
    return {
        "id": row.pk,
        "name": row.name,
        "url": row.url,
        "types": row.types,
        "filter": wanted.filter,
        "rate_limit": dict(zip(("count", "seconds"), wanted.rate, strict=True)) if wanted.rate else None,
        "enabled": row.enabled,
        "reason": row.reason,
        "failing_since": row.failing_since,
        "disabled_at": watching.ends_at(row),
        "previous_secret_until": row.previous_until,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _versioned(row: Subscription) -> dict[str, Any]:
    """Return what the version is made of: what people configure, not how deliveries go."""
    passing = ("failing_since", "disabled_at", "updated_at")
    return {name: value for name, value in subscription_facts(row).items() if name not in passing}


def _switch(row: Subscription, on: bool) -> None:
    if on:
        subscriptions.switch_on(row)
    else:
        subscriptions.switch_off(row, "Switched off by the API.")


def _wanted(given: BaseModel) -> dict[str, Any]:
    """Return what the body names of ``subscriptions.Wanted``."""
    named = given.model_dump(include={"url", "types", "name", "filter", "rate_limit"}, exclude_unset=True)
    if "rate_limit" in named:
        rate = named.pop("rate_limit")
        named["rate"] = (rate["count"], rate.get("seconds", 1)) if rate else None
    return {name: "" if value is None and name != "rate" else value for name, value in named.items()}


def _check_https(url: str) -> None:
    if not url.startswith("https://"):
        message = "'url' begins with https://: events are not sent where others can read them."
        raise FieldProblem([("url", message)])


def _problem(error: FieldErrors) -> FieldProblem:
    return FieldProblem(list(error.errors.items()))
