"""What a sender is told whose organization's quota is used up."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from hub.events.models import Event
from tests.hub.api.conftest import API

pytestmark = pytest.mark.django_db
EVENT = {"type": "order.paid", "data": {"total": "12.50"}}


def limited(api: API, **quota: int) -> None:
    for name, value in quota.items():
        setattr(api.organization, name, value)
    api.organization.save()


def test_a_quota_that_is_used_up_is_a_problem_with_limit_and_reset(api: API) -> None:
    assert api.post("/api/events", EVENT).status_code == 202
    # A key that is remembered brings the new quota along at once.
    limited(api, events_per_day=1)
    assert api.post("/api/events", EVENT).status_code == 202

    answer = api.post("/api/events", EVENT)

    body, midnight = answer.json(), datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    resets = midnight + timedelta(days=1)
    assert (answer.status_code, answer["Content-Type"]) == (429, "application/problem+json")
    assert body["quota"] == {"limit": 1, "period": "day", "used": 1, "resets_at": resets.isoformat()}
    assert "1 events a day" in body["detail"]
    assert abs(int(answer["Retry-After"]) - (resets - timezone.now()).total_seconds()) < 5
    assert Event.objects.count() == 2


def test_a_batch_beyond_the_quota_leaves_nothing_behind(api: API) -> None:
    limited(api, events_per_month=2)

    answer = api.post("/api/events", {"events": [EVENT] * 3})

    assert answer.status_code == 429
    assert answer.json()["quota"]["period"] == "month"
    assert not Event.objects.exists()


def test_alerts_count_too(api: API) -> None:
    limited(api, events_per_day=1)
    alert = {"summary": "Disk is full", "severity": "critical"}
    answers = [api.post("/api/integrations/alert", alert) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 429]
    assert answers[1].json()["quota"]["limit"] == 1
