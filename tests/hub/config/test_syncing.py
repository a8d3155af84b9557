"""Record types and syncs as code: the same checks as the form, exported as applied, records never pruned."""

from typing import Any

import pytest
import yaml

from hub.accounts.models import Organization
from hub.config.document import ConfigError, read_document
from hub.config.service import apply, plan
from hub.config.snapshot import export
from hub.sync.models import RecordType, Sync
from hub.sync.records import Given, upsert
from tests.factories import OrganizationFactory, subscription

pytestmark = pytest.mark.django_db


def shop(**sync: Any) -> dict[str, Any]:
    return {
        "organization": {"slug": "acme", "name": "Acme"},
        "integrations": [{"slug": "crm", "provider": "hubspot", "sandbox": True}],
        "mappings": [{"slug": "in", "rules": [{"source": "data.id", "target": "id"}]}],
        "record_types": [
            {"name": "customer", "label": "Customers", "key_field": "email", "schema": {"type": "object"}}
        ],
        "syncs": [
            {
                "slug": "from-crm",
                "type": "customer",
                "integration": "crm",
                "direction": "pull",
                "action": "contacts",
                "mapping": "in",
                "schedule": "*/15 * * * *",
                "time_zone": "Europe/Berlin",
                "wins": "newest",
                "field_wins": {"phone": "hub"},
                "on_webhook": False,
                **sync,
            }
        ],
    }


def document(data: dict[str, Any]) -> Any:
    return read_document(yaml.safe_dump(data))


def mistakes(data: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        plan(document(data))
    return [mistake.place for mistake in caught.value.mistakes]


def test_a_sync_is_made_changed_and_then_as_the_file_says():
    apply(document(shop()))
    sync = Sync.objects.get()
    assert (sync.wins, sync.field_wins, sync.on_webhook, sync.take_deletions) == (
        "newest",
        {"phone": "hub"},
        False,
        True,
    )
    assert (sync.name, sync.mapping and sync.mapping.slug) == ("from-crm", "in")
    assert sync.next_run_at is not None
    assert plan(document(shop())).changes == []
    report = apply(document(shop(schedule="0 6 * * *", on_webhook=True)))
    assert "schedule: */15 * * * * → 0 6 * * *" in str(report)
    sync.refresh_from_db()
    assert (sync.cron, sync.on_webhook) == ("0 6 * * *", True)
    assert RecordType.objects.get().schema == {"type": "object"}


def test_what_is_exported_can_be_applied_and_changes_nothing():
    apply(document(shop()))
    told = export(Organization.objects.get())
    assert told["syncs"][0]["field_wins"] == {"phone": "hub"}
    assert plan(document(told)).changes == []


@pytest.mark.parametrize(
    ("sync", "place"),
    [
        ({"type": "nobody"}, "syncs[0].type"),
        ({"integration": "nobody"}, "syncs[0].integration"),
        ({"mapping": "nobody"}, "syncs[0].mapping"),
        ({"action": "contact.upsert"}, "syncs[0].action"),
        ({"schedule": "often"}, "syncs[0].schedule"),
        ({"time_zone": "Mars/Base"}, "syncs[0].time_zone"),
        ({"id_path": "]"}, "syncs[0].id_path"),
    ],
)
def test_a_mistake_is_named_by_its_place_and_nothing_is_kept(sync: dict[str, str], place: str):
    assert mistakes(shop(**sync)) == [place]
    assert not Sync.objects.exists()


def test_no_sync_is_made_with_an_integration_that_the_hub_manages_by_itself():
    made, _ = subscription(OrganizationFactory(slug="acme"))
    with pytest.raises(ConfigError, match="manages by itself") as caught:
        apply(document(shop(integration=made.integration.slug)))
    assert [mistake.place for mistake in caught.value.mistakes] == ["syncs[0].integration"]
    assert not Sync.objects.exists()


def test_pruning_removes_syncs_and_never_records():
    apply(document(shop()))
    upsert(RecordType.objects.get(), [Given("a", {"email": "a"})])
    bare = {"organization": {"slug": "acme"}, "integrations": shop()["integrations"]}
    apply(document(bare), prune=True)
    assert (Sync.objects.count(), RecordType.objects.count()) == (0, 1)
