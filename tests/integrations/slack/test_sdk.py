"""Slack's official SDK sends the same requests, and signs and proves the same calls.

Both send theirs to the sandbox on a local port, which keeps what it received.
"""

import json
from collections.abc import Iterator
from urllib.parse import parse_qsl

import pytest
from slack_sdk import WebClient
from slack_sdk.signature import Clock, SignatureVerifier
from slack_sdk.webhook import WebhookClient

from hub.lib.outbound import Policy
from integrations.base.connection_tests import prove
from integrations.base.fixtures import webhook_fixtures
from integrations.base.inputs import read_input
from integrations.base.sandbox import Received, Sandbox
from integrations.base.webhooks import Refused
from integrations.slack.provider import PROVIDER
from integrations.slack.webhooks import WEBHOOK
from tests.integrations.support import context, incoming
from tests.playing import playing

AT = 1_767_225_600
SECRET = "0123456789abcdef0123456789abcdef"
TOKEN = "xoxb-0000000000-example"


class Both:
    """A sandbox of Slack that ours and the SDK's requests reach."""

    def __init__(self, sandbox: Sandbox, url: str):
        self.sandbox, self.url = sandbox, url
        self.client = WebClient(TOKEN, base_url=f"{url}/slack/api/")

    def ours(self, auth: str):
        ctx = context(PROVIDER, auth)
        ctx.http.sandbox_url = f"{self.url}/slack"
        ctx.http.policy = Policy(allowed_hosts=frozenset({"127.0.0.1"}))
        return ctx

    def run(self, action: str, values: dict, auth: str = "bot"):
        found = PROVIDER.action(action)
        return found.run(self.ours(auth), read_input(found.input, values))

    def same(self) -> None:
        """The latest two requests are the same, but for what a client says about itself."""
        theirs, ours = self.sandbox.received[:2]
        assert (ours.method, ours.path) == (theirs.method, theirs.path)
        assert ours.query == theirs.query
        assert ours.headers.get("authorization") == theirs.headers.get("authorization")
        assert content(ours) == content(theirs)


def content(received: Received) -> object:
    if "form" in received.headers.get("content-type", ""):
        return sorted(parse_qsl(received.body))
    body = json.loads(received.body) if received.body else {}
    return {name: value for name, value in body.items() if name != "metadata"}


@pytest.fixture
def both() -> Iterator[Both]:
    with playing(PROVIDER) as (sandbox, address):
        yield Both(sandbox, address)


def test_a_message_is_the_sdks(both: Both):
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "Grüße & <mehr>"}}]
    result = both.run("message.post", {"channel": "C1", "text": "Grüße", "blocks": blocks, "thread": "1.2"})
    said = both.client.chat_postMessage(channel="C1", text="Grüße", blocks=blocks, thread_ts="1.2")
    both.same()
    assert result.external_id == f"{said['channel']}:{said['ts']}"


def test_a_change_is_the_sdks(both: Both):
    both.run("slack.update_message", {"channel": "C1", "ts": "1.2", "text": "Done"})
    both.client.chat_update(channel="C1", ts="1.2", text="Done")
    both.same()


def test_finding_a_user_is_the_sdks(both: Both):
    both.run("slack.find_user", {"email": "a+b@example.com"})
    both.client.users_lookupByEmail(email="a+b@example.com")
    both.same()


def test_the_tests_request_is_the_sdks(both: Both):
    prove(PROVIDER, "bot", both.ours("bot"))
    said = both.client.auth_test()
    theirs, ours = both.sandbox.received[:2]
    assert (ours.method, ours.path) == (theirs.method, theirs.path) == ("POST", "/api/auth.test")
    assert said["ok"]


def test_an_incoming_webhooks_request_is_the_sdks(both: Both):
    both.run("message.post", {"text": "Grüße"}, "webhook")
    url = f"{both.url}/slack/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
    said = WebhookClient(url).send(text="Grüße")
    both.same()
    assert (said.status_code, said.body) == (200, "ok")


def test_the_sandbox_answers_the_test_of_an_incoming_webhook(both: Both):
    assert "live" in prove(PROVIDER, "webhook", both.ours("webhook")).message


class Fixed(Clock):
    def now(self) -> float:
        return AT


@pytest.mark.parametrize("fixture", webhook_fixtures(PROVIDER), ids=lambda fixture: fixture.types[0])
def test_what_the_sdk_signs_is_proved_and_the_other_way_round(fixture):
    verifier = SignatureVerifier(SECRET, Fixed())
    signature = verifier.generate_signature(timestamp=str(AT), body=fixture.body)
    headers = {"X-Slack-Request-Timestamp": str(AT), "X-Slack-Signature": signature}
    call = incoming(fixture.body, headers, at=AT)
    WEBHOOK.verify(call, {"signing_secret": SECRET})
    with pytest.raises(Refused):
        WEBHOOK.verify(call, {"signing_secret": SECRET[::-1]})
    ours = WEBHOOK.sign(fixture.body, {"signing_secret": SECRET}, call.url, call.received_at)
    assert verifier.is_valid_request(fixture.body, dict(ours))
