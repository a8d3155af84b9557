"""The admin's lists may come from a copy of the database; nothing else does, and nobody needs it."""

from typing import Any

import pytest
from django.db import connections, router
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from hub.accounts.models import Organization
from hub.delivery.models import QueueItem, State
from hub.lib import replica
from hub.lib.databases import replica as options
from hub.lib.replica import ALIAS, ReplicaRouter
from tests.factories import MembershipFactory, QueueItemFactory

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "admin:delivery_queueitem_changelist"


@pytest.fixture
def copy(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A second way into the same database, as a copy that is never behind."""
    monkeypatch.setitem(connections.settings, ALIAS, {**connections["default"].settings_dict})
    monkeypatch.setattr(router, "routers", [ReplicaRouter()], raising=False)
    replica._away.end()
    made = connections[ALIAS]

    def ensure_connection() -> None:
        if made.connection is None:
            with made.wrap_database_errors:
                made.connect()

    # Tests may only open the databases of the settings.
    made.ensure_connection = ensure_connection  # type: ignore[method-assign]
    yield made
    connections[ALIAS].close()
    del connections[ALIAS]
    replica._away.end()


@pytest.fixture
def world() -> tuple[Client, QueueItem]:
    membership = MembershipFactory()
    item = QueueItemFactory(integration__organization=membership.organization, label="order.paid")
    client = Client()
    client.force_login(membership.user)
    return client, item


def asked(database: Any) -> CaptureQueriesContext:
    return CaptureQueriesContext(database)


def test_a_list_reads_its_rows_from_the_copy_and_rights_from_the_database(world: Any, copy: Any) -> None:
    client, _ = world
    with asked(copy) as there, asked(connections["default"]) as here:
        page = client.get(reverse(LIST))
    assert "order.paid" in page.text
    assert any("delivery_queueitem" in query["sql"] for query in there.captured_queries)
    assert not any('FROM "delivery_queueitem"' in query["sql"] for query in here.captured_queries)
    assert any("accounts_membership" in query["sql"] for query in here.captured_queries)
    assert not any('FROM "accounts_membership"' in query["sql"] for query in there.captured_queries)


def test_an_action_in_a_list_asks_and_changes_the_database(world: Any, copy: Any) -> None:
    client, item = world
    data = {"action": "cancel", "_selected_action": [str(item.pk)]}
    with asked(copy) as there:
        client.post(reverse(LIST), data)
    assert not there.captured_queries
    item.refresh_from_db()
    assert item.state in (State.CANCELLED, State.PENDING)


def test_a_rows_own_page_is_of_the_database(world: Any, copy: Any) -> None:
    client, item = world
    with asked(copy) as there:
        assert client.get(reverse("admin:delivery_queueitem_change", args=[item.pk])).status_code == 200
    assert not there.captured_queries


def test_a_copy_that_is_away_is_done_without_and_not_asked_again_at_once(
    world: Any, copy: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client, _ = world
    copy.close()
    copy.settings_dict = {**copy.settings_dict, "NAME": "/nowhere/at/all", "HOST": "127.0.0.1", "PORT": "1"}
    for _ in range(2):
        page = client.get(reverse(LIST))
        assert page.status_code == 200
        assert "order.paid" in page.text
    assert [record.message[:11] for record in caplog.records if record.name == replica.__name__] == [
        "The replica"
    ]


def test_without_a_copy_nothing_changes(world: Any) -> None:
    client, _ = world
    assert ALIAS not in connections.settings
    assert "order.paid" in client.get(reverse(LIST)).text


def test_the_copy_is_never_written_nor_migrated() -> None:
    known = ReplicaRouter()
    assert known.db_for_write(QueueItem) == "default"
    assert known.allow_migrate(ALIAS, "delivery") is False
    assert known.allow_migrate("default", "delivery") is None
    assert known.db_for_read(QueueItem) is None
    with replica._from_replica():
        assert known.db_for_read(QueueItem) == ALIAS
        assert known.db_for_read(Organization) is None
    address = {"ENGINE": "django.db.backends.postgresql", "NAME": "hub", "OPTIONS": {"sslmode": "require"}}
    found = options(address)
    assert found["OPTIONS"]["sslmode"] == "require"
    assert "read_only=on" in found["OPTIONS"]["options"]
