"""An organization's quotas over several processes: exact on PostgreSQL, and at the receiver."""

import subprocess
import sys

import pytest

from hub.accounts.models import Usage
from hub.delivery.models import QueueItem, State
from hub.events.intake import Draft, accept_events
from hub.events.models import Event
from tests.factories import IntegrationFactory, OrganizationFactory, RouteFactory
from tests.hub.running import short_home, wait_until
from tests.services.sink import listening
from tests.services.test_limits import most_within
from tests.services.workers import environment, working

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

#: Sends 80 times one event or two, and tells how many were accepted.
_SENDER = """
import django; django.setup()
from hub.accounts.models import Organization
from hub.accounts.quotas import QuotaExceeded
from hub.events.intake import Draft, accept_events
organization, taken = Organization.objects.get(), 0
for number in range(80):
    try:
        taken += len(accept_events(organization, [Draft("order.paid")] * (1 + number % 2)))
    except QuotaExceeded:
        pass
print(taken)
"""


def test_two_processes_accept_exactly_what_the_quota_lets_pass() -> None:
    organization = OrganizationFactory(events_per_day=151)
    with short_home() as home:
        senders = [
            subprocess.Popen(
                [sys.executable, "-c", _SENDER], env=environment(home), stdout=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        accepted = [int(sender.communicate(timeout=120)[0]) for sender in senders]
    assert min(accepted) > 0
    assert sum(accepted) == Event.objects.count() == 151
    assert Usage.objects.get(organization=organization, period="day").events == 151


def test_two_workers_never_send_more_a_second_than_the_organization_may() -> None:
    organization = OrganizationFactory(deliveries_per_second=40)
    with listening() as sink:
        for _ in range(3):
            integration = IntegrationFactory(
                organization=organization,
                settings={"url": sink.url},
                allowed_hosts=[sink.host],
                rate_count=10_000,
                rate_seconds=1,
            )
            RouteFactory(organization=organization, integration=integration, type_pattern="*")
            integration.pause("until all workers are there")
        accept_events(organization, [Draft("order.paid") for _ in range(60)])
        with working(2):
            for integration in organization.integrations.all():
                integration.resume()
            done = QueueItem.objects.filter(state=State.COMPLETED)
            wait_until(lambda: done.count() == 180, "all to be delivered", 60)
        times = sorted(at for at, _, _ in sink.calls)
    # On a busy machine this process sees a request up to a fifth of a second after it came.
    assert most_within(times, 0.8) <= 40
    assert times[-1] - times[0] > 3.8
    assert set(sink.keys.values()) == {1}
