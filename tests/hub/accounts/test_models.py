"""Organizations, roles and keys."""

import pytest
from django.db.models import RestrictedError

from hub.accounts.models import APIKey, Organization, Role
from hub.events.models import Route
from tests.factories import FieldMappingFactory, OrganizationFactory, RouteFactory

pytestmark = pytest.mark.django_db


def mapped_route():
    organization = OrganizationFactory()
    mapping = FieldMappingFactory(organization=organization)
    return RouteFactory(organization=organization, mapping=mapping)


def test_an_organization_goes_with_all_it_has():
    route = mapped_route()
    route.organization.delete()
    assert not Organization.objects.exists()
    assert not Route.objects.exists()


def test_a_mapping_that_a_route_uses_stays():
    route = mapped_route()
    with pytest.raises(RestrictedError):
        route.mapping.delete()


def test_each_role_may_do_what_the_one_before_may():
    assert Role.ADMIN.covers(Role.OPERATOR)
    assert Role.OPERATOR.covers(Role.VIEWER)
    assert not Role.VIEWER.covers(Role.OPERATOR)


def test_a_key_is_found_by_its_text_until_it_is_revoked_and_only_its_hash_is_kept():
    key, text = APIKey.issue(OrganizationFactory(), "Shop", ["events:write"])
    assert APIKey.find(text) == key
    assert text.rpartition("_")[2] not in str(APIKey.objects.values().get())
    assert APIKey.find(text[:-1] + ("a" if text[-1] != "a" else "b")) is None
    assert APIKey.find("nonsense") is None
    key.revoke()
    assert APIKey.find(text) is None
