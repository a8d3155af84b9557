"""Nobody sees or moves anything of another organization: every address is tried with its ids."""

import re
from typing import Any

import pytest
from django.apps import apps
from django.db.models import F
from django.urls import reverse

from hub.accounts.models import Role
from hub.lib import throttle
from tests.factories import api_key
from tests.hub.api.conftest import API
from tests.hub.dashboard.world import World
from tests.security.addresses import deeds_of, operations, pages_of, photograph, plain_pages, unfilled
from tests.security.conftest import MARK
from tests.security.test_hostile_values import address as filled

#: Answers that tell nothing: elsewhere, refused, not there, not so.
SILENT = {302, 403, 404, 405}


def test_every_part_of_every_address_is_known_here() -> None:
    assert not unfilled(), "Say in tests/security/addresses.py what to fill these with."


@pytest.mark.parametrize("role", list(Role))
def test_pages_of_strangers_rows_say_nothing(world: World, strangers: World, role: str) -> None:
    client, before = world.client(role), photograph()
    for address in pages_of(strangers):
        for answer in (client.get(address), client.post(address, {"post": "yes"})):
            assert answer.status_code in SILENT, (address, answer.status_code)
            assert MARK not in answer.text, address
    assert photograph() == before


@pytest.mark.parametrize("role", list(Role))
def test_lists_and_forms_hold_nothing_of_strangers(world: World, strangers: World, role: str) -> None:
    client = world.client(role)
    ids = [str(row.pk) for row in strangers.rows.values() if len(str(row.pk)) == 36]
    for address in plain_pages():
        text = client.get(address).text
        assert MARK not in text, address
        assert not [each for each in ids if each in text], address
        searched = client.get(address, {"q": MARK, "s": MARK}).text
        assert strangers.organization.slug not in searched, address


def test_an_event_does_not_open_a_strangers_attempt(world: World, strangers: World) -> None:
    address = reverse("admin:events_event_attempt", args=[world.rows["event"].pk, strangers.rows["log"].pk])
    assert world.client("admin").get(address).status_code == 404


@pytest.mark.parametrize("role", list(Role))
def test_the_preview_opens_no_strangers_event(world: World, strangers: World, role: str) -> None:
    asked = {
        "organization": str(strangers.organization.pk),
        "target": "stripe:stripe.refund",
        "integration": str(strangers.rows["integration"].pk),
        "event": str(strangers.rows["event"].pk),
        "rules": [{"source": "subject", "target": "reason", "transforms": []}],
    }
    client = world.client(role)
    for organization in (asked["organization"], str(world.organization.pk), None):
        answer = client.post(
            reverse("admin:mapping_preview"),
            {**asked, "organization": organization},
            content_type="application/json",
        )
        assert MARK not in answer.text
    query = {"organization": strangers.organization.pk, "mapping": strangers.rows["mapping"].pk}
    assert MARK not in client.get(reverse("admin:mapping_sources"), query).text


def test_strangers_rows_cannot_be_chosen_in_a_form(world: World, strangers: World) -> None:
    client, before = world.client("admin"), photograph()
    chosen = {
        "organization": strangers.organization.pk,
        "integration": strangers.rows["integration"].pk,
        "mapping": strangers.rows["mapping"].pk,
        "person": strangers.users["admin"].username,
        "name": "Mine",
        "slug": "mine",
        "role": "admin",
        "type_pattern": "order.*",
        "scopes": "events:read",
        "target": "stripe:stripe.refund",
        "action": "stripe.refund",
        "rules": "[]",
        "priority": "500",
    }
    for address in plain_pages():
        if address.endswith("/add/"):
            client.post(address, chosen)
    after = photograph()
    assert {name for name in before if before[name] != after[name]} == set()


def test_a_viewer_changes_nothing_anywhere(world: World) -> None:
    client, before = world.client("viewer"), photograph()
    assert {client.post(address).status_code for address in deeds_of(world)} == {403}
    for address in [*pages_of(world), *plain_pages()]:
        client.post(address, {"post": "yes", "name": "Changed", "_selected_action": "1"})
    assert photograph() == before


def test_a_viewer_gets_no_bulk_action(world: World) -> None:
    client, before = world.client("viewer"), photograph()
    for row in world.rows.values():
        address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_changelist")
        for action in ("delete_selected", "retry_items", "cancel_items", "replay_items"):
            client.post(address, {"action": action, "_selected_action": str(row.pk), "post": "yes"})
    assert photograph() == before


def test_the_api_knows_no_strangers_ids(world: World, strangers: World) -> None:
    headers = {"Authorization": f"Bearer {api_key(world.organization)}"}
    client = world.client("admin")
    client.get("/api/events", headers=headers)  # notes that the key is used
    before = photograph()
    ids = {str(row.pk) for row in strangers.rows.values()} | {strangers.rows["integration"].slug}
    tried = 0
    for method, path, operation in operations():
        for name in re.findall(r"{(\w+)}", path):
            if (method, name) == ("put", "key"):
                continue  # a new record under whatever key
            for each in ids:
                url = filled(world, path, {name: each})
                answer = client.generic(method.upper(), url, b"{}", "application/json", headers=headers)
                assert answer.status_code in {403, 404}, (operation["operationId"], url)
                assert MARK not in answer.text
                tried += 1
    assert tried
    assert photograph() == before


def test_no_body_of_the_api_reaches_a_strangers_row(world: World, strangers: World) -> None:
    """Each field of each example, with what names a row of the strangers."""
    api, rows = API(world.organization), strangers.rows
    names = [str(rows[name].pk) for name in ("event", "item", "route", "subscription", "record")]
    names += [rows[name].slug for name in ("integration", "mapping", "sync")]
    before, tried = theirs(strangers), 0
    for method, path, operation in operations():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        if path.startswith("/api/auth/"):
            continue
        for example in content.get("examples", {}).values():
            for field, value in example["value"].items():
                for each in names:
                    throttle.forget()
                    body = {**example["value"], field: [each] if isinstance(value, list) else each}
                    answer = api.send(method.upper(), filled(world, path, {}), body, If_Match="*")
                    assert answer.status_code < 500, (method, path, body)
                    assert MARK not in answer.text, (method, path, body)
                    tried += 1
    assert tried > 300
    assert theirs(strangers) == before
    assert crossing() == []


def theirs(strangers: World) -> dict[str, Any]:
    """Every row of the strangers as it is now."""
    managers = {name: type(row)._base_manager for name, row in strangers.rows.items()}
    return {
        name: manager.filter(pk=strangers.rows[name].pk).values().get() for name, manager in managers.items()
    }


def crossing() -> list[str]:
    """Columns through which a row of one organization leads to a row of another."""
    return [
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        if owned(model)
        for field in model._meta.fields
        if field.is_relation
        and owned(field.related_model)
        and model._base_manager.exclude(**{field.name: None})
        .exclude(**{f"{field.name}__organization": F("organization")})
        .exists()
    ]


def owned(model: Any) -> bool:
    """Whether rows of ``model`` belong to an organization."""
    return any(field.name == "organization" for field in model._meta.fields)


def test_lists_of_the_api_hold_nothing_of_strangers(world: World, strangers: World) -> None:
    headers = {"Authorization": f"Bearer {api_key(world.organization)}"}
    client = world.client("admin")
    values = {str(row.pk) for row in strangers.rows.values()} | {strangers.rows["integration"].slug, MARK}
    for method, path, operation in operations():
        if method != "get" or "{" in path:
            continue
        names = [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"]
        for query in [{}, *({name: value} for name in names for value in values)]:
            answer = client.get(path, query, headers=headers)
            assert answer.status_code in {200, 400, 404}, (path, query, answer.status_code)
            # A problem may quote what was asked for; a sample is of the type that was asked for.
            quotes = answer.status_code != 200 or path.endswith("/sample")
            told = answer.text.replace(MARK, "", 1) if quotes else answer.text
            assert MARK not in told, (path, query)


def test_no_key_and_a_strangers_session_open_no_api(world: World) -> None:
    for method, path, operation in operations():
        if path.startswith("/api/auth/"):
            continue  # where one gets in
        address = re.sub(r"\{[^}]+\}", "x", path)
        answer = world.client("admin").generic(method.upper(), address, b"{}", "application/json")
        assert answer.status_code == 401, operation["operationId"]
