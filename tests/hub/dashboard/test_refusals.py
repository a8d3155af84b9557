"""What somebody is told whose request is refused, lost or fails: in the house's words, with a way on."""

from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from hub.accounts.models import Role
from tests import factories as make

HOME = 'href="/admin/"'


@pytest.mark.django_db
def test_a_viewer_is_told_what_roles_may_do() -> None:
    client = Client()
    client.force_login(make.MembershipFactory(role=Role.VIEWER, user__is_staff=False).user)
    answer = client.get(reverse("admin:connections_connect"))
    assert answer.status_code == 403
    assert "Your role does not allow this" in answer.text
    assert HOME in answer.text


@pytest.mark.django_db
def test_what_is_gone_leads_home() -> None:
    client = Client()
    client.force_login(make.MembershipFactory(user__is_staff=False).user)
    stranger = make.IntegrationFactory(name="Of a stranger")
    answer = client.get(reverse("admin:connections_integration_change", args=[stranger.pk]))
    assert answer.status_code == 404
    assert "This page is not there" in answer.text
    assert "Of a stranger" not in answer.text
    assert HOME in answer.text


@pytest.mark.django_db
def test_a_form_without_a_fresh_token_says_how_to_go_on() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make.MembershipFactory(user__is_staff=False).user)
    answer = client.post(reverse("admin:events_event_send"), {"type": "order.paid"})
    assert answer.status_code == 403
    assert "what you entered still stands" in answer.text


@pytest.mark.parametrize("page", ["400.html", "500.html"])
def test_failures_are_told_without_the_database(page: str, django_db_blocker: Any) -> None:
    with django_db_blocker.block():
        text = render_to_string(page)
    assert "<h1>" in text
    assert HOME in text
