"""What is sent and what is taken, held by the reference library of Standard Webhooks."""

from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook

from integrations.base.connection_tests import prove
from integrations.base.errors import AuthError
from integrations.base.standard_webhooks import new_secret
from integrations.base.webhooks import Incoming
from integrations.http.provider import PROVIDER
from tests.integrations.http.driving import EVENT, Endpoint, context, send


def test_the_reference_library_verifies_what_is_sent() -> None:
    endpoint, secret = Endpoint(), new_secret()
    send(context(endpoint, now=datetime.now(UTC), signing_secret=secret))
    body = endpoint.got[0].body
    assert body is not None
    assert Webhook(secret).verify(body, endpoint.headers) == EVENT
    assert endpoint.headers["content-type"] == "application/json"


def test_the_connection_test_is_a_signed_message() -> None:
    endpoint, secret = Endpoint(), new_secret()
    prove(PROVIDER, "none", context(endpoint, now=datetime.now(UTC), key="", signing_secret=secret))
    body = endpoint.got[0].body or b""
    assert Webhook(secret).verify(body, endpoint.headers)["type"] == "interchange.test"
    with pytest.raises(AuthError) as caught:
        prove(PROVIDER, "none", context(Endpoint(403)))
    assert "lets this hub in" in caught.value.hint


def test_a_call_of_the_reference_library_is_proved() -> None:
    assert PROVIDER.webhook is not None
    secret, now, body = new_secret(), datetime.now(UTC), b'{"type":"x","data":{}}'
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", now, body.decode()),
    }
    call = Incoming("POST", "https://hub.example.com/", headers, body, now)
    PROVIDER.webhook.verify(call, {"verification_key": secret})
