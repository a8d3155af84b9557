"""Endpoints are made, their secrets changed, and kept calls sent through again."""

import pytest

from hub.delivery.jobs import scheduled_jobs, worker_jobs
from hub.events.models import Event
from integrations.base.fields import FieldErrors
from tests.factories import IntegrationFactory, ReceivedWebhookFactory
from tests.webhooks.calls import call, endpoint_of, fixture_of, post, sample_secrets, signed
from webhooks.models import ReceivedWebhook, WebhookEndpoint
from webhooks.process import process_due
from webhooks.service import create_endpoint, endpoint_url, new_address, resend, set_secrets

pytestmark = pytest.mark.django_db
State = ReceivedWebhook.State
NEW = {"webhook_signing_secret": "whsec_new0000000000000000"}


def test_makes_an_endpoint_whose_secrets_come_later() -> None:
    endpoint = create_endpoint(IntegrationFactory(provider_slug="stripe"), "Live events")
    body = fixture_of("stripe").body

    assert endpoint_url(endpoint).startswith("http://localhost:8000/webhooks/")
    assert post(endpoint, body).status_code == 401
    assert set_secrets(endpoint, NEW)
    assert post(endpoint, *signed(endpoint, body)).status_code == 200
    assert endpoint.previous_until is None, "nothing was replaced"


def test_slugs_do_not_collide() -> None:
    integration = IntegrationFactory(provider_slug="stripe")

    slugs = [create_endpoint(integration, "Live events").slug for _ in range(3)]

    assert slugs == ["live-events", "live-events-2", "live-events-3"]


@pytest.mark.parametrize(
    ("secrets", "field"),
    [({"webhook_signing_secret": "nonsense"}, "webhook_signing_secret"), ({"other": "x"}, "other")],
)
def test_wrong_secrets_are_refused_by_name(secrets: dict[str, str], field: str) -> None:
    with pytest.raises(FieldErrors) as raised:
        create_endpoint(IntegrationFactory(provider_slug="stripe"), "Live", secrets)

    assert list(raised.value.errors) == [field]


def test_a_provider_without_webhooks_has_no_endpoints() -> None:
    with pytest.raises(FieldErrors, match="sends no webhooks"):
        create_endpoint(IntegrationFactory(provider_slug="epic_fhir"), "None")


def test_replacing_a_secret_keeps_the_old_one_for_a_while() -> None:
    endpoint = endpoint_of("stripe")

    assert set_secrets(endpoint, NEW)
    assert endpoint.secret_sets() == [NEW, sample_secrets("stripe")]
    assert not set_secrets(endpoint, {"webhook_signing_secret": ""}), "blank keeps"
    assert not set_secrets(endpoint, NEW), "the same is no change"


def test_a_new_address_ends_the_old_one() -> None:
    endpoint = endpoint_of("stripe")
    old = endpoint.path

    assert new_address(endpoint) == endpoint_url(WebhookEndpoint.objects.get())
    assert endpoint.path != old


def test_sends_a_kept_call_through_again_without_doubling_events() -> None:
    endpoint = endpoint_of("stripe")
    call(endpoint, fixture_of("stripe").body)
    process_due()
    row = ReceivedWebhook.objects.get()

    resend(row)
    assert process_due() == 1
    row.refresh_from_db()
    assert row.state == State.PROCESSED
    assert Event.objects.count() == 1


@pytest.mark.parametrize("state", [State.REFUSED, State.DUPLICATE, State.RECEIVED])
def test_what_is_not_proved_or_waits_already_is_not_sent_again(state: str) -> None:
    row = ReceivedWebhookFactory(state=state)

    with pytest.raises(ValueError, match=r".+"):
        resend(row)


def test_workers_and_the_schedule_know_the_jobs() -> None:
    assert "webhooks" in {job.name for job in worker_jobs()}
    assert "prune webhooks" in scheduled_jobs()
