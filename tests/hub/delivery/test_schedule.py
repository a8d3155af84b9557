"""What connections tell is in the integration log."""

import pytest

from hub.connections.models import Integration
from hub.connections.signals import token_renewed
from hub.delivery.models import IntegrationLog, LogKind
from integrations.base.errors import AuthError
from tests.factories import IntegrationFactory

pytestmark = pytest.mark.django_db


def test_renewals_of_the_access_token_are_logged() -> None:
    row = IntegrationFactory()
    facts = {"integration_id": row.pk, "exchanges": [], "latency_ms": 12}
    token_renewed.send(Integration, error=None, **facts)
    token_renewed.send(Integration, error=AuthError("Refused.", hint="Connect again."), **facts)
    entries = IntegrationLog.objects.filter(integration=row, kind=LogKind.TOKEN).order_by("id")
    assert [(entry.outcome, entry.message, entry.hint) for entry in entries] == [
        ("ok", "The access token was renewed.", ""),
        ("auth", "Refused.", "Connect again."),
    ]
    assert entries[0].duration_ms == 12
