"""The button beside a failed connection test: what helps by the kind of failure, for who may press it."""

import pytest

from hub.connections.models import Integration
from tests.hub.dashboard.world import World, build

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return build()


def failed(world: World, kind: str, **columns: object) -> str:
    row = world.rows["integration"]
    Integration.objects.filter(pk=row.pk).update(
        test_ok=False, test_kind=kind, test_message="It answered 401.", **columns
    )
    return world.page("integration")


@pytest.mark.parametrize(
    ("kind", "label", "leads_to"),
    [
        ("auth", "Enter the credential again", "edit"),
        ("keyring", "Enter the credential again", "edit"),
        ("permanent", "Check the settings", "edit"),
        ("settings", "Check the settings", "edit"),
        ("transient", "Test again", "do/test"),
        ("rate_limited", "Test again", "do/test"),
    ],
)
def test_the_button_fits_the_failure(world: World, kind: str, label: str, leads_to: str) -> None:
    page = world.client("admin").get(failed(world, kind)).text
    beside = page.partition("The last connection test failed.")[2].partition("Connection</h2>")[0]
    assert label in beside
    assert f"/{leads_to}/" in beside


def test_a_sign_in_is_begun_again(world: World) -> None:
    page = failed(world, "auth", provider_slug="hubspot", auth_key="oauth2")
    beside = world.client("admin").get(page).text.partition("The last connection test failed.")[2]
    assert "/do/sign-in/" in beside.partition("Connection</h2>")[0]


@pytest.mark.parametrize(("kind", "role"), [("auth", "operator"), ("transient", "viewer"), ("bug", "admin")])
def test_there_is_none_where_nothing_can_be_done(world: World, kind: str, role: str) -> None:
    page = world.client(role).get(failed(world, kind)).text
    beside = page.partition("The last connection test failed.")[2].partition("Connection</h2>")[0]
    assert "It answered 401." in beside
    assert "ic-beside" not in beside
