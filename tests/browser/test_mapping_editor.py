"""The mapping editor as a person uses it: rules, steps, their options, order, and the preview."""

from typing import Any

from django.contrib.sessions.models import Session
from playwright.sync_api import Locator, Page, expect

from hub.accounts.models import Membership, Role
from hub.delivery.models import QueueItem, State
from hub.mapping.models import FieldMapping
from tests import factories as make
from tests.plugins.browser import SignIn, enter, shoot

LOOKUP = {"name": "lookup", "table": {"major": "error", "fatal": "critical"}, "otherwise": "keep"}
RULES = [
    {
        "source": "data.level",
        "target": "severity",
        "required": False,
        "transforms": [LOOKUP],
    },
    {
        "source": "",
        "target": "summary",
        "required": True,
        "transforms": [{"name": "template", "text": "{data.server}: {data.reason}"}],
    },
    {
        "source": "data.tags",
        "target": "group",
        "required": False,
        "transforms": [{"name": "join", "separator": ""}, {"name": "default", "value": "1"}],
    },
]
DATA = {"server": "web-3", "reason": "No answer", "level": "major", "tags": ["a", "b"]}


def world() -> tuple[Membership, FieldMapping]:
    membership = make.MembershipFactory()
    organization = membership.organization
    mapping = make.FieldMappingFactory(
        organization=organization, name="Alarms", action="incident.trigger", rules=RULES
    )
    make.EventFactory(organization=organization, type="server.down", data=DATA)
    make.IntegrationFactory(
        organization=organization,
        provider_slug="pagerduty",
        name="PagerDuty",
        auth_key="events",
        credential__secrets={"routing_key": "planted0000000000000000000000000"},
    )
    return membership, mapping


def open_editor(sign_in: SignIn, membership: Membership, mapping: FieldMapping, **options: Any) -> Page:
    page = sign_in(membership, **options)
    page.goto(f"/admin/mapping/fieldmapping/{mapping.pk}/change/")
    expect(page.locator("#preview-result").get_by_text("The event fits.")).to_be_visible()
    return page


def rule(page: Page, number: int) -> Locator:
    return page.get_by_role("group", name=f"Rule {number}", exact=True)


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("is saved")).to_be_visible()


def test_saving_what_was_not_touched_changes_nothing(sign_in: SignIn) -> None:
    membership, mapping = world()
    page = open_editor(sign_in, membership, mapping)
    expect(rule(page, 1).get_by_text("becomes “error”")).to_be_visible()
    assert "planted" not in page.content()
    shoot(page, "mapping-editor")
    save(page)
    mapping.refresh_from_db()
    assert mapping.rules == RULES
    assert (mapping.provider_slug, mapping.action) == ("", "incident.trigger")


def test_options_are_edited_and_the_preview_follows(sign_in: SignIn) -> None:
    membership, mapping = world()
    page = open_editor(sign_in, membership, mapping)
    rule(page, 2).get_by_label("Text").fill("Down: {data.server}")
    expect(page.locator("#preview-result").get_by_text("Down: web-3").first).to_be_visible()
    table = rule(page, 1)
    table.get_by_role("button", name="Add a line").click()
    expect(page.locator("input:focus")).to_have_value("")
    page.keyboard.type("minor")
    page.keyboard.press("Tab")
    page.keyboard.type("warning")
    table.get_by_role("button", name="Remove this line").first.click()
    save(page)
    mapping.refresh_from_db()
    assert mapping.rules[0]["transforms"][0]["table"] == {"fatal": "critical", "minor": "warning"}
    assert mapping.rules[1]["transforms"] == [{"name": "template", "text": "Down: {data.server}"}]


def test_rules_are_moved_and_removed_by_keyboard(sign_in: SignIn) -> None:
    membership, mapping = world()
    page = open_editor(sign_in, membership, mapping)
    page.get_by_role("button", name="Move rule 1 down").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Move rule 2 down")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Remove rule 1").focus()
    page.keyboard.press("Enter")
    needed = page.get_by_role("group", name="Still needed")
    expect(needed.get_by_role("button", name="summary", exact=True)).to_be_visible()
    save(page)
    mapping.refresh_from_db()
    assert [entry["target"] for entry in mapping.rules] == ["group", "severity"]


def test_a_problem_stands_at_its_rule_and_stays_after_saving(sign_in: SignIn) -> None:
    membership, mapping = world()
    page = open_editor(sign_in, membership, mapping)
    rule(page, 3).get_by_label("From the event").fill("data.[")
    expect(rule(page, 3).get_by_role("alert")).to_contain_text("JMESPath")
    expect(page.get_by_text("It would not be sent.")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Some rules cannot be used as they are")).to_be_visible()
    expect(rule(page, 3).get_by_role("alert")).to_contain_text("JMESPath")
    expect(rule(page, 3).get_by_label("From the event")).to_have_value("data.[")
    shoot(page, "mapping-editor-problem")
    mapping.refresh_from_db()
    assert mapping.rules == RULES


def test_fields_are_listed_and_sources_suggested(sign_in: SignIn) -> None:
    membership, mapping = world()
    page = open_editor(sign_in, membership, mapping)
    paths = page.locator("#paths option")
    expect(paths.filter(has_text="web-3")).to_have_attribute("value", "data.server")
    expect(page.get_by_text("one of critical, error, warning, info")).to_be_visible()
    page.get_by_role("button", name="component", exact=True).click()
    expect(rule(page, 4).get_by_label("Into the field")).to_have_value("component")
    expect(rule(page, 4).get_by_label("From the event")).to_be_focused()
    shoot(page, "mapping-editor-fields")


def test_an_event_is_pasted(sign_in: SignIn) -> None:
    membership, mapping = world()
    page = open_editor(sign_in, membership, mapping)
    page.get_by_label("With the event").select_option("")
    page.get_by_label("Event as JSON").fill('{"server": "db-1", "reason": "Full", "level": "fatal"}')
    expect(page.locator("#preview-result").get_by_text("db-1").first).to_be_visible()
    page.get_by_label("Event as JSON").fill('{"server": "db-1"\n "level": "fatal"}')
    told = page.get_by_role("alert").filter(has_text="What was pasted is no JSON yet: line 2, at")
    expect(told).to_contain_text("a comma (,) is missing before it.")
    expect(page.get_by_text("Mend the pasted event first.")).to_be_visible()
    # Its parts are named as what they are: those of the event before.
    expect(page.get_by_text("What the last event that could be read holds;")).to_be_visible()
    shoot(page, "mapping-broken-json")
    # What no parser takes is told like the rest.
    page.get_by_label("Event as JSON").fill("[" * 5_000)
    expect(page.get_by_role("alert").filter(has_text="its brackets are nested too deeply.")).to_be_visible()
    page.get_by_label("Event as JSON").fill('{"server": "db-1"}')
    expect(told).to_be_hidden()
    expect(page.get_by_text("What it holds;")).to_be_visible()


def test_a_viewer_tries_and_changes_nothing(sign_in: SignIn) -> None:
    membership, mapping = world()
    viewer = make.MembershipFactory(organization=membership.organization, role=Role.VIEWER)
    page = open_editor(sign_in, viewer, mapping)
    expect(rule(page, 1).get_by_label("From the event")).to_be_disabled()
    expect(page.get_by_role("button", name="Save", exact=True)).to_have_count(0)


def test_the_editor_fits_a_small_screen(sign_in: SignIn) -> None:
    membership, mapping = world()
    page = sign_in(membership, color_scheme="dark", viewport={"width": 390, "height": 844})
    page.goto(f"/admin/mapping/fieldmapping/{mapping.pk}/change/")
    expect(page.locator("#preview-result").get_by_text("The event fits.")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shoot(page, "mapping-editor-small")


def test_rules_are_dragged_to_another_place(sign_in: SignIn) -> None:
    membership, mapping = world()
    # All rules fit the window, so that nothing scrolls under the pointer.
    page = open_editor(sign_in, membership, mapping, viewport={"width": 1440, "height": 2600})
    rule(page, 3).locator(".ic-grip").drag_to(rule(page, 1), target_position={"x": 40, "y": 8})
    expect(rule(page, 1).get_by_label("Into the field")).to_have_value("group")
    first = rule(page, 1).get_by_label("Into the field")
    first.focus()
    page.keyboard.press("Alt+ArrowDown")
    expect(rule(page, 2).get_by_label("Into the field")).to_have_value("group")
    expect(rule(page, 2).get_by_label("Into the field")).to_be_focused()
    save(page)
    mapping.refresh_from_db()
    assert [entry["target"] for entry in mapping.rules] == ["severity", "group", "summary"]


def test_what_changed_is_marked_and_what_is_missing_suggested(sign_in: SignIn) -> None:
    membership, mapping = world()
    page = open_editor(sign_in, membership, mapping)
    rule(page, 3).get_by_label("From the event").fill("data.server")
    changed = page.locator("tr", has_text="group")
    expect(changed).to_contain_text("changed, was “ab”")
    page.get_by_role("button", name="Remove rule 2").click()
    expect(page.locator("tr", has_text="summary")).to_contain_text("gone")
    needed = page.get_by_role("group", name="Still needed")
    expect(needed.get_by_text("probably data.reason")).to_be_visible()
    shoot(page, "mapping-suggestion")
    needed.get_by_role("button", name="Use data.reason for summary").click()
    expect(rule(page, 3).get_by_label("From the event")).to_have_value("data.reason")
    expect(rule(page, 3).get_by_text("becomes “No answer”")).to_be_visible()
    expect(page.locator("tr", has_text="summary")).to_contain_text("changed, was “web-3: No answer”")
    page.get_by_role("button", name="data.tags", exact=True).click()
    expect(rule(page, 4).get_by_label("From the event")).to_have_value("data.tags")
    rule(page, 4).get_by_label("Into the field").fill("component")
    expect(rule(page, 4).get_by_role("alert")).to_contain_text('(got ["a","b"])')
    expect(rule(page, 4).get_by_role("alert")).not_to_contain_text("filled by rule")
    shoot(page, "mapping-type-error")


def test_an_event_is_sent_now_after_a_confirmation(sign_in: SignIn) -> None:
    membership, mapping = world()
    page = open_editor(sign_in, membership, mapping)
    rule(page, 2).get_by_label("Text").fill("Down: {data.server}")
    expect(page.get_by_text("Save first: what is sent is made by the saved rules.")).to_be_visible()
    save(page)
    page.get_by_role("button", name="Send this one now …").click()
    shoot(page, "mapping-send")
    page.get_by_role("button", name="Cancel").click()
    assert not QueueItem.objects.exists()
    page.get_by_role("button", name="Send this one now …").click()
    page.get_by_role("button", name="Send to the sandbox").click()
    expect(page.get_by_text("Queued for PagerDuty, for trying out (sandbox) …")).to_be_visible()
    item = QueueItem.objects.get()
    assert (item.mapping, item.integration.sandbox) == (mapping, True)
    # What a worker does in the meantime is seen without a click.
    QueueItem.objects.update(state=State.COMPLETED, external_id="incident-7")
    expect(page.get_by_text("took it.")).to_be_visible()
    expect(page.get_by_text("incident-7")).to_be_visible()
    page.get_by_role("button", name="Send this one now …").click()
    page.get_by_text("For real", exact=True).click()
    page.get_by_role("button", name="Send for real").click()
    expect(page.get_by_text("Queued for PagerDuty …")).to_be_visible()
    assert QueueItem.objects.filter(integration__sandbox=False).count() == 1


def test_versions_are_compared_and_one_is_brought_back(sign_in: SignIn) -> None:
    membership, mapping = world()
    page = open_editor(sign_in, membership, mapping)
    page.get_by_role("button", name="Remove rule 3").click()
    save(page)
    page.get_by_role("link", name="Versions (2)").click()
    expect(page.get_by_text("− went: data.tags → Join").first).to_be_visible()
    shoot(page, "mapping-versions")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Restore version 1").click()
    expect(page.get_by_text("Version 1 is back, as version 3.")).to_be_visible()
    mapping.refresh_from_db()
    assert mapping.rules == RULES
    assert mapping.versions.first().by == membership.user.username


def test_rules_outlive_a_session_that_ended(sign_in: SignIn) -> None:
    membership, mapping = world()
    page = open_editor(sign_in, membership, mapping)
    rule(page, 2).get_by_label("Text").fill("Down: {data.server}")
    expect(page.locator("#preview-result").get_by_text("Down: web-3").first).to_be_visible()
    Session.objects.all().delete()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="You are signed out")).to_be_visible()
    shoot(page, "mapping-signed-out")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="sign in in another tab").click()
    enter(opened.value, membership)
    save(page)
    mapping.refresh_from_db()
    assert mapping.rules[1]["transforms"] == [{"name": "template", "text": "Down: {data.server}"}]


def test_a_hub_that_does_not_answer_takes_no_rule_away(sign_in: SignIn) -> None:
    membership, mapping = world()
    page = open_editor(sign_in, membership, mapping)
    page.context.set_offline(True)
    page.get_by_role("button", name="Remove rule 3").click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="The hub does not answer")).to_be_visible()
    page.context.set_offline(False)
    save(page)
    mapping.refresh_from_db()
    assert len(mapping.rules) == 2
