"""Which organization is connected: told by its own record, else by who the user is, else not at all."""

import pytest

from integrations.base.connection_tests import prove
from integrations.base.errors import IntegrationError, PermanentError
from integrations.base.results import Result
from integrations.salesforce.provider import PROVIDER
from tests.conftest import Door
from tests.integrations.support import context

DATA = "/services/data/v67.0"
ORGANIZATION = {"Id": "00D000000000001AAA", "Name": "Acme Ltd"}
REFUSED = [{"message": "sObject type 'Organization' is not supported.", "errorCode": "INVALID_TYPE"}]


def proved(door: Door, limits: object = None) -> Result:
    door.answer("GET", f"{DATA}/limits", json=limits or {"DailyApiRequests": {"Max": 1, "Remaining": 1}})
    return prove(PROVIDER, "client_credentials", context(PROVIDER))


def test_the_organization_tells_itself(door: Door):
    door.answer("GET", f"{DATA}/query/", json={"records": [ORGANIZATION]})
    seen = proved(door)
    assert (seen.external_id, seen.account_id) == ("Acme Ltd", "00D000000000001AAA")
    assert len(door.requests) == 2


def test_a_profile_that_may_not_see_it_is_asked_who_it_is(door: Door):
    door.answer("GET", f"{DATA}/query/", 400, json=REFUSED)
    door.answer("GET", "/services/oauth2/userinfo", json={"organization_id": "00D000000000001AAA"})
    assert proved(door).account_id == "00D000000000001AAA"


def test_the_connection_is_good_where_neither_is_told(door: Door):
    door.answer("GET", f"{DATA}/query/", 400, json=REFUSED)
    door.answer("GET", "/services/oauth2/userinfo", 403, body="Missing_OAuth_Scope")
    seen = proved(door)
    assert (seen.message, seen.external_id, seen.account_id) == ("The connection works.", "", "")


@pytest.mark.parametrize(("status", "hint"), [(401, "My Domain"), (403, "API Enabled")])
def test_a_refusal_says_what_to_do(door: Door, status: int, hint: str):
    door.answer("GET", f"{DATA}/limits", status, json=[{"message": "no", "errorCode": "NO"}])
    with pytest.raises(IntegrationError) as refused:
        prove(PROVIDER, "client_credentials", context(PROVIDER))
    assert hint in refused.value.hint


def test_what_is_not_salesforce_proves_nothing(door: Door):
    with pytest.raises(PermanentError, match="not with its limits"):
        proved(door, {"hello": "world"})
