"""Versions of mappings: each save that changes something is one; they are compared and brought back."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hub.accounts.models import Membership, Role
from hub.mapping.models import FieldMapping, MappingVersion
from hub.mapping.versions import Line, compare, restore, rule_text, version_at
from tests import factories as make

pytestmark = pytest.mark.django_db
EMAIL = {"source": "data.email", "transforms": [{"name": "lower"}], "target": "email", "required": True}
NAME = {"source": "data.name", "transforms": [], "target": "lastname", "required": False}


def numbers(mapping: FieldMapping) -> list[int]:
    return [version.number for version in mapping.versions.all()]


def test_each_save_that_changes_something_is_a_version() -> None:
    mapping = make.FieldMappingFactory(rules=[EMAIL])
    mapping.save()
    assert numbers(mapping) == [1]
    mapping.rules = [EMAIL, NAME]
    user = make.UserFactory(username="ada")
    mapping.said_by(user, "The name too").save()
    latest = mapping.versions.first()
    assert (latest.number, latest.by, latest.user, latest.note) == (2, "ada", user, "The name too")
    assert mapping.versions.last().rules == [EMAIL]


def test_what_was_saved_before_versions_were_kept_is_the_first() -> None:
    mapping = make.FieldMappingFactory(rules=[EMAIL])
    MappingVersion.objects.all().delete()
    mapping.rules = []
    mapping.save()
    assert [(version.number, version.rules) for version in mapping.versions.all()] == [(2, []), (1, [EMAIL])]


def test_a_users_versions_outlive_the_user() -> None:
    mapping = make.FieldMappingFactory(rules=[EMAIL])
    user = make.UserFactory(username="ada")
    mapping.rules = []
    mapping.said_by(user).save()
    user.delete()
    assert mapping.versions.first().by == "ada"


def test_a_comparison_shows_what_came_and_what_went() -> None:
    before, after = FieldMapping(name="A", rules=[EMAIL, NAME]), FieldMapping(name="A", rules=[NAME])
    marked = [line for line in compare(before, after) if line.mark]
    assert marked == [Line("-", "data.email → Lower case → email (required)")]
    assert [line.mark for line in compare(None, after)] == ["+", "+", "+"]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"source": "a", "target": "b"}, "a → b"),
        ({}, "(no source) → (no field)"),
        (
            {"source": "", "transforms": [{"name": "template", "text": "{id}"}], "target": "t"},
            "(no source) → Template (text: “{id}”) → t",
        ),
        (
            {
                "source": "a",
                "transforms": [
                    {"name": "lookup", "table": {"x": "y", "z": 1}, "otherwise": "keep", "ignore_case": True},
                    {"name": "of_another_hub", "odd": [1, 2]},
                ],
                "target": "t",
            },
            "a → Lookup table (table: x → y, z → 1; not in the table: “keep”; "
            "ignore upper and lower case: yes) → of_another_hub (odd: 1, 2) → t",
        ),
    ],
)
def test_a_rule_is_one_line(rule: dict[str, Any], text: str) -> None:
    assert rule_text(rule) == text


def test_the_version_of_a_moment_is_the_one_in_use_then() -> None:
    mapping = make.FieldMappingFactory(rules=[EMAIL])
    MappingVersion.objects.update(created_at=timezone.now() - timedelta(days=2))
    mapping.rules = []
    mapping.save()
    yesterday = version_at(mapping.pk, timezone.now() - timedelta(days=1))
    now = version_at(mapping.pk, timezone.now())
    assert (yesterday.number, now.number) == (1, 2)  # type: ignore[union-attr]
    assert version_at(mapping.pk, timezone.now() - timedelta(days=3)) is None
    assert version_at(None, timezone.now()) is None


def test_restoring_makes_a_new_version_and_keeps_the_name() -> None:
    mapping = make.FieldMappingFactory(name="Old", rules=[EMAIL])
    mapping.name, mapping.rules = "New", []
    mapping.save()
    back = restore(mapping.versions.last(), make.UserFactory(username="ada"))
    assert (back.name, back.rules) == ("New", [EMAIL])
    assert (back.versions.first().note, numbers(back)) == ("Restored from version 1", [3, 2, 1])


def browser(membership: Membership) -> Client:
    client = Client()
    client.force_login(membership.user)
    return client


def page(mapping: FieldMapping) -> str:
    return reverse("admin:mapping_fieldmapping_versions", args=[mapping.pk])


def test_the_page_lists_them_and_brings_one_back() -> None:
    membership = make.MembershipFactory()
    mapping = make.FieldMappingFactory(organization=membership.organization, rules=[EMAIL])
    mapping.rules = [NAME]
    mapping.said_by(membership.user).save()
    client = browser(membership)
    text = client.get(page(mapping)).text
    assert "Restore version 1" in text
    assert "Restore version 2" not in text
    assert membership.user.username in text
    assert client.post(page(mapping), {"number": "1"}).status_code == 302
    mapping.refresh_from_db()
    assert mapping.rules == [EMAIL]
    for wrong in ("9", "x", ""):
        assert client.post(page(mapping), {"number": wrong}).status_code == 404


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_all_may_look_and_only_admins_restore(role: Role) -> None:
    member = make.MembershipFactory(role=role)
    mapping = make.FieldMappingFactory(organization=member.organization, rules=[EMAIL])
    mapping.rules = []
    mapping.save()
    client = browser(member)
    assert "Restore version" not in client.get(page(mapping)).text
    assert client.post(page(mapping), {"number": "1"}).status_code == 403
    assert numbers(mapping) == [2, 1]


def test_a_mapping_that_somebody_saved_meanwhile_is_not_written_over_unasked() -> None:
    membership = make.MembershipFactory()
    mapping = make.FieldMappingFactory(organization=membership.organization, rules=[EMAIL])
    mapping.rules = [NAME]
    mapping.said_by(make.UserFactory(username="grace")).save()
    data = {"name": mapping.name, "slug": mapping.slug, "target": "", "rules": "[]"}
    address = reverse("admin:mapping_fieldmapping_change", args=[mapping.pk])
    answer = browser(membership).post(address, {**data, "version": "1"})
    assert answer.status_code == 422
    assert "grace saved version 2 while you were editing version 1" in answer.text
    assert 'name="version" value="2"' in answer.text
    mapping.refresh_from_db()
    assert mapping.rules == [NAME]
    assert browser(membership).post(address, {**data, "version": "2"}).status_code == 302
