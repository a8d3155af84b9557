"""What workers tell of their waits for a permit is added up, whichever of them comes first."""

import pytest

from hub.connections.models import Integration
from hub.delivery.signals import rate_limits_waited
from hub.delivery.waits import Waits
from hub.metrics import rollup
from hub.metrics.models import TotalFigures
from tests.factories import IntegrationFactory, IntegrationLogFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_waits_are_added_and_counts_stay() -> None:
    one, other = IntegrationFactory(), IntegrationFactory()
    rate_limits_waited.send(Waits, waited={one: 1500})
    IntegrationLogFactory(integration=one)
    rollup.roll_up()
    rate_limits_waited.send(Waits, waited={one: 500, other: 70})

    found = {row.integration_id: (row.rate_held_ms, row.ok) for row in TotalFigures.objects.all()}
    assert found == {one.pk: (2000, 1), other.pk: (70, 0)}


def test_an_integration_that_was_deleted_meanwhile_harms_no_other() -> None:
    gone, other = IntegrationFactory(), IntegrationFactory()
    Integration.objects.filter(pk=gone.pk).delete()
    rate_limits_waited.send(Waits, waited={gone: 100, other: 200})

    assert list(TotalFigures.objects.values_list("integration_id", "rate_held_ms")) == [(other.pk, 200)]
