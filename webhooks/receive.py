"""The way of one call: limits, proof, de-duplication, storage, answer. The work comes later."""

import logging
from collections.abc import Mapping

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from hub.lib.inbound import BodyTooLarge, client_address, read_body, source_group
from hub.lib.outbound import OutboundError
from hub.lib.throttle import take
from integrations.base.webhooks import Answer, Incoming, Refused, Webhook
from webhooks import store
from webhooks.calls import incoming_from_request
from webhooks.endpoints import endpoints
from webhooks.fetching import fetcher
from webhooks.models import WebhookEndpoint
from webhooks.proving import verify

logger = logging.getLogger(__name__)
CORS_SECONDS = 600


class Turned(Exception):
    """The call is answered with an error."""

    def __init__(self, status: int, said: str, reason: str = "", headers: Mapping[str, str] | None = None):
        """``said``: the answer's text; ``reason``: what the admin reads; empty: nothing is kept."""
        super().__init__(said)
        self.status, self.said, self.reason, self.headers = status, said, reason, dict(headers or {})


def receive(request: HttpRequest, token: str) -> HttpResponse:
    """Answer one call to ``/webhooks/<token>/``."""
    endpoint = endpoints.find(token)
    if endpoint is None:
        return _plain(404, "Not found.")
    source = client_address(request)
    webhook: Webhook | None = None
    incoming = _without_body(request)
    try:
        _check_rate(endpoint, source)
        webhook = _declared(endpoint)
        if request.method == "OPTIONS":
            return _preflight(request, webhook)
        _check_method(request, webhook)
        body = _bounded_body(request)
        incoming = incoming_from_request(request, body, endpoint.integration, fetcher(endpoint.integration))
        response = _respond(_accept(endpoint, webhook, incoming, source))
    except Turned as turned:
        if turned.reason:
            store.keep_refused(endpoint, incoming, turned.reason, source)
        response = _plain(turned.status, turned.said, turned.headers)
    return _with_origin(request, response, webhook)


def _accept(endpoint: WebhookEndpoint, webhook: Webhook, incoming: Incoming, source: str) -> Answer:
    handshake = _prove(endpoint, webhook, incoming)
    if handshake is not None:
        store.keep_handshake(endpoint, incoming, source)
        return handshake
    if incoming.method != "POST":
        raise _wrong_method()
    store.keep(endpoint, incoming, _call_id(webhook, incoming), source)
    return webhook.answer


def _prove(endpoint: WebhookEndpoint, webhook: Webhook, incoming: Incoming) -> Answer | None:
    """Return the handshake's answer, or None for an ordinary call; raise Turned unless it is proved.

    Whatever goes wrong while proving, the call is refused.
    """
    try:
        verify(endpoint, webhook, incoming)
        return webhook.handshake(incoming) if webhook.handshake else None
    except Refused as refused:
        raise Turned(401, "The call is not proved to come from the provider.", str(refused)) from None
    except OutboundError as error:
        reason = f"What proves the call could not be fetched: {error}"
        raise Turned(503, "The call cannot be proved just now.", reason, {"Retry-After": "30"}) from None
    except Exception as error:
        logger.exception("Proving a call to endpoint %s failed", endpoint.pk)
        reason = f"The call has a form that could not be proved ({type(error).__name__})."
        raise Turned(401, "The call is not proved to come from the provider.", reason) from None


def _call_id(webhook: Webhook, incoming: Incoming) -> str:
    """Return the provider's id of the call; a body without one is still kept, for the worker to judge."""
    if webhook.call_id is None:
        return ""
    try:
        return webhook.call_id(incoming) or ""
    except Exception:
        logger.warning("A proved call has no readable id.", exc_info=True)
        return ""


def _check_rate(endpoint: WebhookEndpoint, source: str) -> None:
    limit = endpoint.rate_per_minute
    wait = take("webhook", limit, str(endpoint.pk), source_group(source)) if limit else 0
    if not wait:
        return
    first = not take("webhook-refused", 1, str(endpoint.pk), source_group(source))
    reason = f"{source} called more than {limit} times in a minute; further calls were refused."
    said = f"Too many calls: {limit} a minute are taken. Try again in {wait} seconds."
    raise Turned(429, said, reason if first else "", {"Retry-After": str(wait)})


def _declared(endpoint: WebhookEndpoint) -> Webhook:
    if not endpoint.enabled:
        raise Turned(404, "Not found.", "The endpoint is switched off; switch it on to accept calls.")
    try:
        webhook = endpoint.integration.provider.webhook
    except KeyError as error:
        raise Turned(404, "Not found.", f"The provider's code is gone: {error.args[0]}") from None
    if webhook is None:
        raise Turned(404, "Not found.", "The provider of this integration sends no webhooks.")
    return webhook


def _check_method(request: HttpRequest, webhook: Webhook) -> None:
    if request.method == "POST" or (request.method == "GET" and webhook.handshake):
        return
    raise _wrong_method()


def _wrong_method() -> Turned:
    return Turned(405, "Webhooks are sent with POST.", headers={"Allow": "POST, OPTIONS"})


def _bounded_body(request: HttpRequest) -> bytes:
    try:
        return read_body(request, settings.HUB.webhook_max_bytes)
    except BodyTooLarge as error:
        raise Turned(413, str(error), str(error)) from None
    except OSError:  # the caller went away, or was cut off for being slow
        raise Turned(408, "The body did not come to its end. Send it again.") from None


def _preflight(request: HttpRequest, webhook: Webhook) -> HttpResponse:
    response = HttpResponse(status=204)
    response.headers["Allow"] = "POST, OPTIONS"
    if request.headers.get("Access-Control-Request-Method") and _origin_allowed(request, webhook):
        wanted = request.headers.get("Access-Control-Request-Headers", "Content-Type")
        response.headers["Access-Control-Allow-Methods"] = "POST"
        response.headers["Access-Control-Allow-Headers"] = wanted[:1000]
        response.headers["Access-Control-Max-Age"] = str(CORS_SECONDS)
    return _with_origin(request, response, webhook)


def _with_origin(request: HttpRequest, response: HttpResponse, webhook: Webhook | None) -> HttpResponse:
    if webhook and webhook.cors_origins:
        response.headers["Vary"] = "Origin"
        if _origin_allowed(request, webhook):
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
    return response


def _origin_allowed(request: HttpRequest, webhook: Webhook) -> bool:
    origin = request.headers.get("Origin", "")
    return bool(origin) and ("*" in webhook.cors_origins or origin in webhook.cors_origins)


def _without_body(request: HttpRequest) -> Incoming:
    """Return what is known of a call before its body is read."""
    query = request.META.get("QUERY_STRING", "")
    return Incoming(
        method=request.method or "",
        url=settings.HUB.url + request.path_info + (f"?{query}" if query else ""),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=b"",
        received_at=timezone.now(),
    )


def _respond(answer: Answer) -> HttpResponse:
    return HttpResponse(
        answer.body, status=answer.status, content_type=answer.content_type, headers=dict(answer.headers)
    )


def _plain(status: int, text: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    return HttpResponse(
        text, status=status, content_type="text/plain; charset=utf-8", headers=dict(headers or {})
    )
