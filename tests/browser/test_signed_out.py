"""Forms that are sent after the session ended, or while the hub is away: nothing typed is lost."""

from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect

from hub.accounts.models import Membership
from hub.events.models import Event, EventType
from hub.files.models import FileImport
from tests import factories as make
from tests.plugins.browser import SignIn, enter, shoot

OUT = "You are signed out; nothing was saved or done."


def new_type(page: Page) -> None:
    page.goto("/admin/events/eventtype/add/")
    page.get_by_label("Name", exact=False).first.fill("order.returned")
    page.get_by_label("Description").fill("Somebody sent an order back.")


def sign_in_beside(page: Page, membership: Membership) -> None:
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in in another tab").click()
    enter(opened.value, membership)
    opened.value.close()


def test_what_was_typed_outlives_the_session(sign_in: SignIn) -> None:
    membership = make.MembershipFactory()
    page = sign_in(membership)
    new_type(page)
    Session.objects.all().delete()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("dialog", name=OUT)).to_be_visible()
    shoot(page, "signed-out")
    assert not EventType.objects.exists()
    # Pressed too early, it is said again.
    page.get_by_role("button", name="Send it again").click()
    expect(page.get_by_role("dialog", name=OUT)).to_be_visible()
    sign_in_beside(page, membership)
    page.get_by_role("button", name="Send it again").click()
    expect(page.get_by_text("was added")).to_be_visible()
    assert EventType.objects.get().description == "Somebody sent an order back."


def test_closed_the_form_is_there_and_is_sent_like_any_other(sign_in: SignIn) -> None:
    membership = make.MembershipFactory()
    page = sign_in(membership)
    new_type(page)
    Session.objects.all().delete()
    page.get_by_label("Name").first.press("Enter")
    sign_in_beside(page, membership)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name=OUT)).to_be_hidden()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was added")).to_be_visible()
    assert EventType.objects.get().name == "order.returned"


def test_a_chosen_file_outlives_the_session_too(sign_in: SignIn) -> None:
    membership = make.MembershipFactory()
    make.RecordTypeFactory(organization=membership.organization, label="Clients", key_field="email")
    page = sign_in(membership)
    page.goto("/admin/files/fileimport/")
    page.get_by_role("link", name="Import a file").first.click()
    page.get_by_label("Its rows are").select_option(label="Clients")
    page.get_by_label("File").set_input_files(
        {"name": "clients.csv", "mimeType": "text/csv", "buffer": b"email,name\nann@x.org,Ann\n"}
    )
    Session.objects.all().delete()
    page.get_by_role("button", name="Upload and look").click()
    sign_in_beside(page, membership)
    page.get_by_role("button", name="Send it again").click()
    expect(page.get_by_text("can be taken")).to_be_visible()
    # A part that asks for news by itself must not throw away what is entered.
    Session.objects.all().delete()
    page.get_by_label("Field for name").fill("full_name")
    expect(page.get_by_role("dialog", name=OUT)).to_be_visible()
    expect(page.get_by_label("Field for name")).to_have_value("full_name")
    assert FileImport.objects.count() == 1


def test_a_question_is_asked_once_and_two_presses_send_once(sign_in: SignIn) -> None:
    page = sign_in(make.MembershipFactory())
    new_type(page)
    asked: list[str] = []
    sent: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.evaluate(
        """() => {
            const form = document.getElementById("eventtype_form");
            form.dataset.confirm = "Really?";
            form.requestSubmit();
            form.requestSubmit();
        }"""
    )
    expect(page.get_by_text("was added")).to_be_visible()
    assert asked == ["Really?"]
    assert len(sent) == 1
    assert EventType.objects.count() == 1


def test_a_hub_that_is_away_takes_nothing_that_was_typed(sign_in: SignIn) -> None:
    page = sign_in(make.MembershipFactory())
    page.goto("/admin/events/event/send/")
    page.get_by_label("Subject").fill("order-77")
    page.context.set_offline(True)
    page.get_by_role("button", name="Send", exact=False).last.click()
    away = page.get_by_role("dialog", name="The hub does not answer; nothing was saved or done.")
    expect(away).to_be_visible()
    page.context.set_offline(False)
    away.get_by_role("button", name="Send it again").click()
    expect(away).to_be_hidden()
    page.wait_for_url(lambda url: "/send/" not in url)
    assert Event.objects.get().subject == "order-77"
