"""Outgoing webhooks: made, signed, delivered by the usual path, rotated, switched off and on, ended."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from standardwebhooks.webhooks import WebhookVerificationError

from hub.accounts.models import Organization
from hub.connections.models import Credential
from hub.delivery.dispatch import Dispatcher
from hub.delivery.models import IntegrationLog, QueueItem, State
from hub.events.story import story
from integrations.base.fields import FieldErrors
from tests import factories as make
from tests.conftest import Door
from tests.webhooks.subscribing import URL, accept, make_due, verified
from webhooks import subscriptions
from webhooks.models import Subscription

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_event_is_delivered_signed_and_its_story_tells_it(
    organization: Organization, door: Door, dispatcher: Dispatcher
) -> None:
    made, secret = make.subscription(organization)
    door.answer("POST", URL, 204)
    event = accept(organization)
    accept(organization, "invoice.paid")
    dispatcher.run_until_idle()
    assert len(door.requests) == 1
    told = verified(door.last, secret)
    assert told == {
        "id": str(event.pk),
        "type": "order.paid",
        "timestamp": event.time.isoformat(),
        "subject": "A-1",
        "source": "",
        "data": {"total": 12},
    }
    item = QueueItem.objects.get()
    assert item.state == State.COMPLETED
    assert door.last.header("webhook-id") == item.idempotency_key == item.external_id
    assert "Partner took it" in story(event).deliveries[0].sentence
    assert made.failing_since is None
    with pytest.raises(WebhookVerificationError):
        verified(door.last, subscriptions.new_secret())


def test_one_delivery_however_many_patterns_fit(
    organization: Organization, door: Door, dispatcher: Dispatcher
) -> None:
    make.subscription(organization, types=["order.*", "*.paid", "invoice.sent"])
    door.answer("POST", URL)
    for kind in ("order.paid", "invoice.sent", "invoice.voided", "user.paid"):
        accept(organization, kind)
    dispatcher.run_until_idle()
    # Several are under way at once: which arrives first is nobody's promise.
    assert sorted(sent.json["type"] for sent in door.requests) == ["invoice.sent", "order.paid", "user.paid"]


def test_a_filter_narrows(organization: Organization, door: Door, dispatcher: Dispatcher) -> None:
    make.subscription(organization, filter="data.total > `100`")
    door.answer("POST", URL)
    accept(organization, total=5)
    accept(organization, total=500)
    dispatcher.run_until_idle()
    assert [sent.json["data"]["total"] for sent in door.requests] == [500]


def test_every_attempt_has_the_same_id_and_a_signature_of_its_own_time(
    organization: Organization, door: Door, dispatcher: Dispatcher
) -> None:
    _, secret = make.subscription(organization)
    door.answer("POST", URL, 500, times=1)
    door.answer("POST", URL, 200)
    accept(organization)
    dispatcher.run_until_idle()
    make_due()
    dispatcher.run_until_idle()
    first, second = door.requests
    assert first.header("webhook-id") == second.header("webhook-id")
    assert first.body == second.body
    verified(second, secret)


def test_a_rotated_secret_signs_beside_the_old_one_until_the_overlap_ends(
    organization: Organization, door: Door, dispatcher: Dispatcher
) -> None:
    made, old = make.subscription(organization)
    new = subscriptions.rotate(made, overlap=timedelta(hours=2))
    door.answer("POST", URL)
    accept(organization)
    dispatcher.run_until_idle()
    assert len(door.last.header("webhook-signature").split()) == 2
    assert verified(door.last, old) == verified(door.last, new)

    made.integration.settings["previous_until"] = (timezone.now() - timedelta(seconds=1)).isoformat()
    made.integration.save()
    accept(organization)
    dispatcher.run_until_idle()
    verified(door.last, new)
    with pytest.raises(WebhookVerificationError):
        verified(door.last, old)


def test_an_ended_overlap_leaves_the_old_secret_nowhere(
    organization: Organization, door: Door, dispatcher: Dispatcher
) -> None:
    made, old = make.subscription(organization)
    new = subscriptions.rotate(made)
    assert made.previous_until
    subscriptions.end_overlap(made)
    assert made.previous_until is None
    assert Credential.objects.get(integration=made.integration).secrets == {"signing_secret": new}
    door.answer("POST", URL)
    accept(organization)
    dispatcher.run_until_idle()
    verified(door.last, new)
    with pytest.raises(WebhookVerificationError):
        verified(door.last, old)


@pytest.mark.parametrize(
    ("wanted", "field", "said"),
    [
        ({"url": "ftp://example.com"}, "url", "does not have the form"),
        ({"url": "https://user:secret@example.com/"}, "url", "does not have the form"),
        ({"url": "https://10.0.0.1/in"}, "url", "private network"),
        ({"url": "https://[::1]/in"}, "url", "private network"),
        ({"url": "https://169.254.169.254/latest"}, "url", "metadata"),
        ({"types": []}, "types", "At least one event type"),
        ({"types": ["order paid"]}, "types", "letters, digits"),
        ({"types": ["a,b"]}, "types", "without commas"),
        ({"filter": "data.["}, "filter", "JMESPath"),
        ({"rate": (0, 1)}, "rate_limit", "1 to 100,000"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(
    organization: Organization, wanted: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(FieldErrors) as refused:
        make.subscription(organization, **wanted)
    assert said in refused.value.errors[field]
    assert not Subscription.objects.exists()


def test_a_secret_of_ones_own_must_be_long_enough(organization: Organization) -> None:
    wanted = subscriptions.Wanted(url=URL, types=["*"])
    with pytest.raises(FieldErrors) as refused:
        subscriptions.create(organization, wanted, secret="whsec_c2hvcnQ=")
    assert "secret" in refused.value.errors
    own = subscriptions.new_secret()
    assert subscriptions.create(organization, wanted, secret=own)[1] == own


def test_nobody_has_more_than_the_limit(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "MOST", 1)
    make.subscription(organization)
    with pytest.raises(FieldErrors, match="may have 1 subscriptions"):
        make.subscription(organization)
    make.subscription()


def test_unsubscribed_nothing_is_sent_and_no_secret_is_left(
    organization: Organization, door: Door, dispatcher: Dispatcher, settings: Any
) -> None:
    made, _ = make.subscription(organization)
    event = accept(organization)
    subscriptions.end(made)
    dispatcher.run_until_idle()
    assert not door.requests
    assert Credential.objects.get(integration=made.integration).secrets == {}
    assert story(event).deliveries[0].item.state == State.CANCELLED
    assert not subscriptions.rows(organization).exists()
    assert subscriptions.prune() == 0
    Subscription.objects.update(ended_at=timezone.now() - timedelta(days=settings.HUB.retention_days + 1))
    assert subscriptions.prune() == 1
    assert not Subscription.objects.exists()
    assert not QueueItem.objects.exists()


def test_a_test_event_goes_to_this_subscription_alone(
    organization: Organization, door: Door, dispatcher: Dispatcher
) -> None:
    made, secret = make.subscription(organization)
    make.subscription(organization, url="https://other.example.com/", types=["*"])
    door.answer("POST", URL)
    event = subscriptions.send_test(made)
    dispatcher.run_until_idle()
    assert [sent.url for sent in door.requests] == [URL]
    assert verified(door.last, secret)["type"] == "subscription.test"
    assert "1 delivered" in story(event).sentence
    subscriptions.switch_off(made, "Off.")
    with pytest.raises(ValueError, match="switched off"):
        subscriptions.send_test(made)


def test_its_rate_limit_and_its_hosts_are_its_integrations(organization: Organization) -> None:
    made, _ = make.subscription(
        organization, rate=(5, 60), url="http://10.1.2.3:8080/in", allowed_hosts=["10.1.2.3:8080"]
    )
    assert made.integration.rate == (5, 60)
    assert made.integration.allowed_hosts == ["10.1.2.3:8080"]
    subscriptions.change(made, rate=None, types=["a.*", "b"])
    made.refresh_from_db()
    assert made.integration.rate == (20, 1)
    assert made.types == ["a.*", "b"]
    assert made.url == "http://10.1.2.3:8080/in"


def test_a_sample_is_what_would_be_sent(
    organization: Organization, door: Door, dispatcher: Dispatcher
) -> None:
    assert subscriptions.sample(organization, ["order.*"])[0]["type"] == "order.example"
    make.EventTypeFactory(organization=organization, name="order.paid", example={"id": "A-9"})
    assert subscriptions.sample(organization, ["order.*"])[0]["data"] == {"id": "A-9"}
    make.subscription(organization)
    make.EventFactory(type="order.paid", data={"of": "strangers"})
    event = accept(organization)
    door.answer("POST", URL)
    dispatcher.run_until_idle()
    assert subscriptions.sample(organization, ["order.*"]) == [json.loads(door.last.body)]
    assert subscriptions.sample(organization, ["order.*"])[0]["id"] == str(event.pk)


def test_the_log_holds_no_secret(organization: Organization, door: Door, dispatcher: Dispatcher) -> None:
    made, secret = make.subscription(organization)
    other = subscriptions.rotate(made)
    door.answer("POST", URL, 500, body=f"{secret} {other}")
    accept(organization)
    dispatcher.run_until_idle()
    kept = str(list(IntegrationLog.objects.values()))
    assert secret not in kept
    assert other not in kept
    assert "500" in kept
