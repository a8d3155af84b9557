"""Files in and out, and quality: from the first click to the database, also where it goes wrong."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from hub.accounts.models import Membership
from hub.files import importing
from hub.files.models import FileImport, ImportMapping, ImportState
from hub.quality import checking
from hub.quality.models import QualityRule
from hub.sync.models import Record, RecordType
from hub.sync.records import Given, upsert
from tests import factories as make
from tests.plugins.browser import SignIn, shoot

#: A whole journey, on a machine that has other things to do.
pytestmark = pytest.mark.timeout(300)

CLIENTS = (
    "Client Email;Client Name;Total\r\nAnn@x.org;Ann Ondaatje;1.234,50\r\n"
    ";Nobody;1\r\nbob@x.org;Bob;80,00\r\n"
)


@pytest.fixture
def membership(transactional_db: None) -> Membership:
    return make.MembershipFactory()


@pytest.fixture
def clients(membership: Membership) -> RecordType:
    return make.RecordTypeFactory(
        organization=membership.organization, name="client", label="Clients", key_field="email"
    )


def upload(page: Page, content: bytes | str, name: str = "clients.csv") -> None:
    raw = content.encode() if isinstance(content, str) else content
    page.get_by_label("Its rows are").select_option(label="Clients")
    page.get_by_label("File").set_input_files({"name": name, "mimeType": "text/csv", "buffer": raw})
    page.get_by_role("button", name="Upload and look").click()


def test_a_file_is_imported_and_its_shape_is_known_the_next_time(
    sign_in: SignIn, membership: Membership, clients: RecordType, tmp_path: Path
) -> None:
    page = sign_in(membership)
    page.get_by_role("link", name="Import and export").click()
    page.get_by_role("link", name="Import a file").first.click()
    upload(page, CLIENTS)
    expect(page.get_by_text("2 of the first 3 rows can be taken")).to_be_visible()
    expect(page.get_by_text("Client Email: the cell is empty")).to_be_visible()
    shoot(page, "import-columns")

    # What is entered is tried at once.
    page.get_by_label("Client Name is").select_option(label="Whole number")
    expect(page.get_by_text("is not a whole number").first).to_be_visible()
    page.get_by_label("Client Name is").select_option(label="Text")
    expect(page.get_by_text("2 of the first 3 rows can be taken")).to_be_visible()

    # Without the key nothing begins.
    key = page.get_by_label("Field for Client Email")
    suggested = key.input_value()
    key.fill("")
    expect(page.get_by_text("No column gives the field “email”")).to_be_visible()
    # The page that answers says the same, and what is entered before it is there would be lost.
    with page.expect_navigation():
        page.get_by_role("button", name="Start the import").click()
    expect(page.get_by_text("No column gives the field “email”")).to_be_visible()
    assert FileImport.objects.get().state == ImportState.UPLOADED
    page.get_by_label("Field for Client Email").fill(suggested)
    page.get_by_label("Total is").select_option(label="Number, 1.234,50")
    page.get_by_role("button", name="Start the import").click()
    expect(page.get_by_label("Progress of the import")).to_be_visible()
    importing.run_until_idle()
    expect(page.get_by_text("Rows that were not taken")).to_be_visible()
    shoot(page, "import-done")
    assert Record.objects.get(key="ann@x.org").data["total"] == 1234.5
    assert ImportMapping.objects.get().name == "clients"

    with page.expect_download() as waited:
        page.get_by_role("link", name="All as CSV").click()
    waited.value.save_as(tmp_path / "rejected.csv")
    mended = (tmp_path / "rejected.csv").read_text("utf-8-sig").replace(",,Nobody", ",nobody@x.org,Nobody")
    page.get_by_role("link", name="Import another file").click()
    upload(page, mended, "mended.csv")
    expect(page.get_by_text("These columns are known from an earlier file")).to_be_visible()
    page.get_by_role("button", name="Start the import").click()
    expect(page.get_by_label("Progress of the import")).to_be_visible()
    importing.run_until_idle()
    expect(page.get_by_text("Every row was taken.")).to_be_visible()
    assert Record.objects.filter(key="nobody@x.org").exists()


def test_what_is_wrong_with_a_file_is_told_and_mended(
    sign_in: SignIn, membership: Membership, clients: RecordType
) -> None:
    page = sign_in(membership)
    page.goto("/admin/files/fileimport/add/")
    upload(page, b"")
    expect(page.get_by_text("The file is empty")).to_be_visible()
    upload(page, "email,email\na@x.org,b\n")
    expect(page.get_by_text("Two columns are named “email”")).to_be_visible()
    assert not Record.objects.exists()

    # The wrong separator, and the wrong letters.
    page.goto("/admin/files/fileimport/add/")
    upload(page, "email;name\na@x.org;Bj\xf6rk\na@x.org;Again\n".encode("cp1252"))
    page.get_by_label("Columns are separated by").select_option(label="Tab")
    page.get_by_label("Letters are written as").select_option(label="UTF-8")
    page.get_by_role("button", name="Read it again").click()
    expect(page.get_by_text("is not UTF-8 text. Choose another encoding")).to_be_visible()
    shoot(page, "import-wrong")
    page.get_by_label("Letters are written as").select_option(label="Western European (Windows)")
    page.get_by_role("button", name="Read it again").click()
    expect(page.get_by_text("Only one column was found.")).to_be_visible()
    page.get_by_label("Columns are separated by").select_option(label="Semicolon ( ; )")
    page.get_by_role("button", name="Read it again").click()
    expect(page.get_by_text("Björk").first).to_be_visible()
    expect(page.get_by_text("stands further up in the file already")).to_be_visible()
    page.get_by_role("button", name="Start the import").click()
    expect(page.get_by_label("Progress of the import")).to_be_visible()
    importing.run_until_idle()
    expect(page.get_by_text("1 row was not taken.")).to_be_visible()
    assert Record.objects.get().data == {"email": "a@x.org", "name": "Björk"}


def test_records_are_downloaded(sign_in: SignIn, membership: Membership, clients: RecordType) -> None:
    upsert(clients, [Given("a@x.org", {"email": "a@x.org", "name": "=1+1"})])
    page = sign_in(membership)
    page.goto("/admin/sync/record/")
    page.get_by_role("link", name="Export", exact=True).click()
    page.get_by_label("Records", exact=True).select_option(label="Clients")
    page.get_by_label("Only where").fill("a[")
    page.get_by_role("button", name="Download").click()
    expect(page.get_by_text("no JMESPath expression")).to_be_visible()
    page.get_by_label("Only where").fill("data.name != ''")
    with page.expect_download() as waited:
        page.get_by_role("button", name="Download").click()
    assert waited.value.suggested_filename == "client.csv"
    text = Path(str(waited.value.path())).read_text("utf-8-sig")
    assert text.splitlines() == ["email,name", "a@x.org,'=1+1"]


def test_a_rule_is_made_and_who_breaks_it_is_found(
    sign_in: SignIn, membership: Membership, clients: RecordType
) -> None:
    rows: list[dict[str, Any]] = [{"email": "a@x.org", "age": 20}, {"email": "b@x.org", "age": 7}]
    upsert(clients, [Given(row["email"], row) for row in rows])
    page = sign_in(membership)
    page.goto("/admin/sync/recordtype/")
    page.get_by_role("link", name="client", exact=True).click()
    page.get_by_label("Field", exact=True).fill("age")
    page.get_by_label("Rule").select_option(label="must be between")
    page.get_by_label("From").fill("18")
    page.get_by_role("button", name="Add the rule").click()
    expect(page.get_by_text("age must be 18 at least").first).to_be_visible()
    assert QualityRule.objects.get().minimum == 18
    checking.work(longest=30)
    page.reload()
    expect(page.get_by_text("1 of 2 records keep every rule")).to_be_visible()
    shoot(page, "quality")
    page.get_by_role("link", name="age must be 18 at least").click()
    page.get_by_role("link", name="b@x.org").click()
    expect(page.get_by_role("heading", name="b@x.org").first).to_be_visible()
