"""Data quality by the API."""

import pytest

from hub.accounts.models import Scope
from hub.quality import checking
from hub.quality.models import QualityRule
from hub.sync.models import ExternalLink, Record, RecordType
from hub.sync.records import Given, upsert
from tests.factories import IntegrationFactory, RecordTypeFactory
from tests.hub.api.conftest import API


@pytest.fixture
def customers(api: API) -> RecordType:
    kind = RecordTypeFactory(organization=api.organization, name="customer")
    upsert(kind, [Given("1", {"mail": "a"}), Given("2", {"mail": ""})])
    return kind


def test_scores_rules_and_offenders_are_told(api: API, customers: RecordType):
    crm = IntegrationFactory(organization=api.organization, slug="crm")
    ExternalLink.objects.create(record=Record.objects.get(key="2"), integration=crm)
    rule = QualityRule.objects.create(type=customers, field="mail", kind="required")
    before = api.get("/api/quality/customer").json()
    assert (before["score"], before["rules"][0]["failing"]) == (None, None)
    checking.work(longest=30)
    told = api.get("/api/quality/customer").json()
    assert (told["score"], told["checked"], told["good"]) == (50.0, 2, 1)
    assert told["rules"][0]["sentence"] == "mail must be filled in"
    assert told["integrations"] == [{"integration": "crm", "score": 0.0, "checked": 1, "good": 0}]
    assert len(told["history"]) == 1
    listed = api.get(f"/api/quality/customer/{rule.pk}").json()
    assert (listed["rule"]["failing"], listed["records"]) == (1, [{"key": "2", "reason": "mail is empty"}])


def test_strangers_and_other_scopes_are_told_nothing(api: API, customers: RecordType):
    rule = QualityRule.objects.create(type=customers, field="mail", kind="required")
    stranger = API(RecordTypeFactory(name="customer").organization)
    assert stranger.get(f"/api/quality/customer/{rule.pk}").status_code == 404
    assert api.get("/api/quality/customer/x").status_code == 404
    assert API(api.organization, [Scope.RECORDS_WRITE]).get("/api/quality/customer").status_code == 403
