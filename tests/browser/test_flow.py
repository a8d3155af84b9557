"""The picture of the flow, and what is asked before something is set moving."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from hub.accounts.models import Membership, Role
from hub.connections.models import Circuit, Integration
from hub.delivery.models import QueueItem, State
from hub.events.models import Route
from hub.metrics.models import Acknowledgement
from hub.quality.models import Drift
from tests import factories as make
from tests.plugins.browser import SignIn, shoot

URL = "https://shop.example.com/hook"


@pytest.fixture
def membership(transactional_db: None) -> Membership:
    """An admin with a flow: paid orders go by a mapping to a slow shop, else to another integration."""
    made = make.MembershipFactory()
    mine = {"organization": made.organization}
    shop = make.IntegrationFactory(
        name="Shop hook", settings={"url": URL}, rate_count=1, rate_seconds=60, **mine
    )
    rule = {"source": "data.email", "target": "data.email", "transforms": [{"name": "upper"}]}
    mapping = make.FieldMappingFactory(name="Shouting", rules=[rule], **mine)
    route = make.RouteFactory(
        integration=shop,
        mapping=mapping,
        name="Paid orders",
        action="http.send",
        filter="data.email != ''",
        **mine,
    )
    make.RouteFallbackFactory(route=route, integration=make.IntegrationFactory(name="Spare hook", **mine))
    return made


def test_the_flow_is_read_at_one_look_and_leads_on(sign_in: SignIn, membership: Membership) -> None:
    page = sign_in(membership)
    page.get_by_role("link", name="Flow", exact=True).click()
    way = page.get_by_role("region", name="Events of type order.*").get_by_role("listitem").first
    expect(way).to_contain_text(
        re.compile(r"Paid orders.*data\.email != ''.*Shouting.*Shop hook.*if that fails.*Spare hook", re.S)
    )
    shoot(page, "flow")
    way.get_by_role("link", name="Shouting").click()
    expect(page.get_by_role("heading", name="Shouting").first).to_be_visible()


def test_a_problem_is_acknowledged_and_opens_when_it_happens_anew(
    sign_in: SignIn, membership: Membership
) -> None:
    shop = Integration.objects.get(name="Shop hook")
    failed = {"integration": shop, "state": State.FAILED, "last_error": "It was refused."}
    make.QueueItemFactory(finished_at=timezone.now(), **failed)
    page = sign_in(membership)
    expect(page.get_by_text("Shop hook needs somebody.")).to_be_visible()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("it is quiet until it happens anew")).to_be_visible()
    expect(page.get_by_text("Nothing new.")).to_be_visible()
    page.get_by_text("Acknowledged (1)").click()
    expect(page.get_by_text(membership.user.username).last).to_be_visible()
    shoot(page, "acknowledged")
    assert Acknowledgement.objects.get().by == membership.user.username
    make.QueueItemFactory(finished_at=timezone.now() + timedelta(seconds=1), **failed)
    page.reload()
    expect(page.get_by_text("Shop hook needs somebody.")).to_be_visible()


def test_a_replay_shows_what_would_change_before_it_is_done(sign_in: SignIn, membership: Membership) -> None:
    route = Route.objects.get()
    event = make.EventFactory(organization=membership.organization, data={"email": "ann@example.com"})
    item = make.QueueItemFactory(
        integration=route.integration, event=event, route_id=route.pk, state=State.COMPLETED
    )
    sent = {"method": "POST", "url": URL, "request_body": '{"data": {"email": "ann@example.com"}}'}
    make.IntegrationLogFactory(
        integration=route.integration, item_id=item.pk, source_id=event.pk, exchanges=[sent]
    )
    page = sign_in(membership)
    page.goto(f"/admin/events/event/{event.pk}/change/")
    page.get_by_role("link", name="Replay").click()
    expect(
        page.get_by_text("1 new delivery, sent in about 60 seconds")
        .or_(page.get_by_text(re.compile("1 new delivery, sent in")))
        .first
    ).to_be_visible()
    expect(page.locator(".ic-diff-removed")).to_contain_text("ann@example.com")
    expect(page.locator(".ic-diff-added")).to_contain_text("ANN@EXAMPLE.COM")
    shoot(page, "replay-diff")
    assert QueueItem.objects.count() == 1
    page.get_by_role("button", name="Replay").click()
    expect(page.locator(".ic-diff-removed")).to_have_count(0)
    expect(page.get_by_text(re.compile("queued|due"))).not_to_have_count(0)
    assert QueueItem.objects.filter(replay_of=item).count() == 1


def test_what_a_route_will_take_is_asked_before_it_is_saved(sign_in: SignIn, membership: Membership) -> None:
    make.EventFactory.create_batch(3, organization=membership.organization, type="user.created")
    page = sign_in(membership)
    page.goto(f"/admin/events/route/{Route.objects.get().pk}/change/")
    page.get_by_label("Event types").fill("user.*")
    page.get_by_label("Filter").fill("")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Exactly 3 stored events match in the last 7 days")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("Shop hook"))).to_contain_text("about 3 minutes")
    shoot(page, "route-save-question")
    page.get_by_role("button", name="Back to the form").click()
    expect(page.get_by_label("Event types")).to_have_value("user.*")
    assert Route.objects.get().type_pattern == "order.*"
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert Route.objects.get().type_pattern == "user.*"


def test_routes_are_switched_on_together_after_a_look(sign_in: SignIn, membership: Membership) -> None:
    Route.objects.update(enabled=False)
    make.EventFactory(organization=membership.organization, data={"email": "ann@example.com"})
    page = sign_in(membership)
    page.goto("/admin/events/route/")
    page.get_by_role("row", name=re.compile("Paid orders")).get_by_role("checkbox").check()
    page.locator("select[name=action]").select_option("enable")
    page.get_by_role("button", name=re.compile("Run|Go")).first.click()
    expect(page.get_by_role("heading", name="Switch on 1 route?")).to_be_visible()
    expect(page.get_by_text("Exactly 1 stored event matches")).to_be_visible()
    shoot(page, "routes-enable-question")
    assert not Route.objects.get().enabled
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_text("1 route switched on.")).to_be_visible()
    assert Route.objects.get().enabled


def test_a_provider_that_is_down_is_seen_and_tried_after_a_look(
    sign_in: SignIn, membership: Membership
) -> None:
    shop = Integration.objects.get(name="Shop hook")
    make.QueueItemFactory.create_batch(2, integration=shop, last_error="It answered 503.", attempts=1)
    shop.circuit, shop.circuit_until = Circuit.OPEN, timezone.now() + timedelta(minutes=10)
    shop.save()
    operator = make.MembershipFactory(organization=membership.organization, role=Role.OPERATOR)
    page = sign_in(operator)
    expect(page.get_by_text("Shop hook needs somebody.")).to_be_visible()
    expect(page.get_by_text("look at the provider's status page")).to_be_visible()
    shoot(page, "provider-down")
    page.get_by_role("link", name="Try now").click()
    expect(page.get_by_text("2 deliveries wait for it.")).to_be_visible()
    expect(page.get_by_text("the last one is sent in about 2 minutes")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("is active again; its queue moves.")).to_be_visible()
    shop.refresh_from_db()
    assert shop.circuit == Circuit.CLOSED


def test_a_changed_field_of_a_provider_is_shown_until_somebody_has_seen_it(
    sign_in: SignIn, membership: Membership
) -> None:
    shop = Integration.objects.get(name="Shop hook")
    drift = Drift.objects.create(
        organization=membership.organization,
        integration=shop,
        source="customers",
        changes=[
            {"field": "plan", "what": "new", "before": "empty", "after": "text"},
            {"field": "phone", "what": "missing", "before": "text", "after": "empty"},
        ],
        found_at=timezone.now(),
    )
    page = sign_in(membership)
    section = page.get_by_role("region", name="Providers changed their fields")
    expect(section).to_contain_text("plan is new")
    section.get_by_role("link").filter(has_text="customers").click()
    expect(page.get_by_role("row", name=re.compile("phone"))).to_contain_text("Missing")
    shoot(page, "drift")
    page.get_by_role("button", name="I have seen it").click()
    expect(page.get_by_role("button", name="I have seen it")).to_have_count(0)
    page.goto("/admin/")
    expect(section).to_have_count(0)
    drift.refresh_from_db()
    assert drift.acknowledged_at
