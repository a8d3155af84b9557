"""The pages of imports and exports, role by role."""

import csv
import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from hub.accounts.models import Role
from hub.files import exporting, importing
from hub.files.models import FileImport, ImportMapping, ImportState
from hub.sync.models import Record, RecordType
from hub.sync.records import Given, upsert
from tests.factories import IntegrationFactory, MembershipFactory, OrganizationFactory, RecordTypeFactory
from tests.hub.files.conftest import CLIENTS, Upload, run

pytestmark = pytest.mark.django_db
PAGES = "/admin/files/fileimport"


def signed_in(kind: RecordType, role: Role = Role.OPERATOR) -> Client:
    client = Client()
    client.force_login(MembershipFactory(organization=kind.organization, role=role).user)
    return client


def send(client: Client, kind: RecordType, content: bytes, name: str = "clients.csv") -> Any:
    file = SimpleUploadedFile(name, content)
    return client.post(f"{PAGES}/add/", {"type": kind.pk, "file": file})


def test_without_a_record_type_only_an_admin_is_sent_to_make_one() -> None:
    organization = OrganizationFactory()
    client = Client()
    for role, offered in ((Role.OPERATOR, False), (Role.ADMIN, True)):
        client.force_login(MembershipFactory(organization=organization, role=role).user)
        page = client.get(f"{PAGES}/add/").content.decode()
        assert "No record type yet" in page
        assert ("/admin/sync/recordtype/add/" in page) is offered


def entered(file: FileImport, **changes: str) -> dict[str, str]:
    """What the page's form holds."""
    values = {}
    for place, column in enumerate(file.columns):
        values |= {f"field-{place}": column["field"], f"kind-{place}": column["kind"]}
    return {"replace": "no", "do": "start", "remember": "yes", **values, **changes}


def test_an_operator_uploads_looks_and_starts(clients: RecordType):
    client = signed_in(clients)
    page = send(client, clients, CLIENTS.encode())
    file = FileImport.objects.get()
    assert page["Location"] == f"{PAGES}/{file.pk}/change/"
    text = client.get(page["Location"]).text
    for word in ("Client Email", "Ann@Example.com", "Start the import", "Semicolon", "2 of the first 2 rows"):
        assert word in text
    begun = client.post(f"{PAGES}/{file.pk}/columns/", entered(file))
    assert begun["Location"] == page["Location"]
    assert "every 1s" in client.get(page["Location"]).text
    importing.run_until_idle()
    assert client.get(f"{PAGES}/{file.pk}/progress/")["HX-Refresh"] == "true"
    assert "Every row was taken." in client.get(page["Location"]).text
    assert Record.objects.count() == 2
    mapping = ImportMapping.objects.get()
    assert mapping.name == "clients"
    assert "Client Email" in client.get(f"/admin/files/importmapping/{mapping.pk}/change/").text


def test_the_preview_follows_what_is_entered(clients: RecordType, upload: Upload):
    client, file = signed_in(clients), upload("email,n\na@x.org,one\n")
    text = client.post(f"{PAGES}/{file.pk}/preview/", entered(file, **{"kind-1": "integer"})).text
    assert "n: “one” is not a whole number." in text
    assert "0 of the first 1 row can be taken" in text
    # A page that is left and opened again has it still.
    assert FileImport.objects.get().columns[1]["kind"] == "integer"
    nothing = client.post(f"{PAGES}/{file.pk}/columns/", entered(file, **{"field-0": ""}))
    assert nothing.status_code == 200
    assert "No column gives the field “email”" in nothing.text
    assert FileImport.objects.get().state == ImportState.UPLOADED


def test_a_file_is_read_otherwise(clients: RecordType, upload: Upload):
    client, file = signed_in(clients), upload("email;na,me\na@x.org;B,C\n")
    client.post(f"{PAGES}/{file.pk}/columns/", {"do": "layout", "separator": ",", "encoding": "cp1252"})
    file.refresh_from_db()
    assert [column["column"] for column in file.columns] == ["email;na", "me"]
    client.post(f"{PAGES}/{file.pk}/columns/", {"do": "layout", "separator": "tab", "encoding": "no such"})
    assert "Only one column was found." in client.get(f"{PAGES}/{file.pk}/change/").text
    file.refresh_from_db()
    assert (file.separator, file.encoding) == ("\t", "cp1252")


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "The file is empty"), (b"PK\x03\x04", "no XLSX file"), (b"a\x00b", "neither CSV nor NDJSON")],
)
def test_what_is_no_file_of_rows_is_told_beside_it(clients: RecordType, content: bytes, told: str):
    answer = send(signed_in(clients), clients, content)
    assert told in answer.text
    assert not FileImport.objects.exists()


def test_a_viewer_looks_and_changes_nothing(clients: RecordType, upload: Upload):
    client, file = signed_in(clients, Role.VIEWER), upload(CLIENTS)
    assert "Start the import" not in client.get(f"{PAGES}/{file.pk}/change/").text
    assert send(client, clients, b"email\na\n").status_code == 403
    for part in ("columns", "preview", "do/cancel"):
        assert client.post(f"{PAGES}/{file.pk}/{part}/", entered(file)).status_code == 403
    file.refresh_from_db()
    assert file.state == ImportState.UPLOADED


def test_strangers_see_nothing_of_it(clients: RecordType, upload: Upload):
    file = upload(CLIENTS)
    stranger = signed_in(RecordTypeFactory(), Role.ADMIN)
    for part in ("change", "progress", "rejected.csv"):
        assert stranger.get(f"{PAGES}/{file.pk}/{part}/".replace("csv/", "csv")).status_code == 404
    assert send(stranger, clients, b"email\na@x.org\n").status_code == 200
    assert FileImport.objects.count() == 1
    assert "clients.csv" not in stranger.get(f"{PAGES}/").text


def test_rejected_rows_come_with_their_cells_and_can_be_imported_mended(clients: RecordType, upload: Upload):
    done = run(upload("email,name\n,=1+1\na@x.org,A\n"), remember=True)
    client = signed_in(clients)
    assert "Rows that were not taken" in client.get(f"{PAGES}/{done.pk}/change/").text
    raw = b"".join(client.get(f"{PAGES}/{done.pk}/rejected.csv").streaming_content)
    header, line = csv.reader(io.StringIO(raw.decode("utf-8-sig")))
    assert header == ["line", "reason", "email", "name"]
    assert (line[0], line[2:]) == ("2", ["", "'=1+1"])
    again = run(upload(raw.decode().replace(",,'=1+1", ",b@x.org,'=1+1")))
    assert (again.created, again.rejected) == (1, 0)
    assert Record.objects.get(key="b@x.org").data["name"] == "=1+1"


def test_an_import_is_cancelled_and_a_failed_one_is_read_otherwise(clients: RecordType, upload: Upload):
    client, file = signed_in(clients), upload(CLIENTS)
    FileImport.objects.update(state=ImportState.FAILED, message="Choose another encoding.", created=5)
    client.post(f"{PAGES}/{file.pk}/do/reopen/")
    file.refresh_from_db()
    assert (file.state, file.created) == (ImportState.UPLOADED, 0)
    client.post(f"{PAGES}/{file.pk}/do/cancel/")
    file.refresh_from_db()
    assert file.state == ImportState.CANCELLED
    assert file.finished_at is not None
    client.post(f"{PAGES}/{file.pk}/columns/", entered(file))
    assert importing.run_until_idle() == 0


def test_records_are_exported_as_chosen(clients: RecordType, monkeypatch: pytest.MonkeyPatch):
    upsert(clients, [Given(f"{n}@x.org", {"name": "=1", "n": n}) for n in range(3)])
    client = signed_in(clients, Role.VIEWER)
    asked = {"type": clients.pk, "kind": "csv", "download": "yes", "only": "data.n > `0`"}
    answer = client.get(f"{PAGES}/export/", asked)
    assert answer["Content-Disposition"] == 'attachment; filename="client.csv"'
    lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()
    assert lines == ["email,n,name", "1@x.org,1,'=1", "2@x.org,2,'=1"]
    assert "no JMESPath expression" in client.get(f"{PAGES}/export/", {**asked, "only": "a["}).text
    other = IntegrationFactory()
    assert client.get(f"{PAGES}/export/", {**asked, "integration": other.pk}).status_code == 200
    assert "Select a valid choice" in client.get(f"{PAGES}/export/", {**asked, "integration": other.pk}).text
    monkeypatch.setattr(exporting, "MAX_XLSX", 1)
    assert "choose fewer of them" in client.get(f"{PAGES}/export/", {**asked, "kind": "xlsx"}).text


def test_a_stranger_exports_nothing(clients: RecordType):
    upsert(clients, [Given("a@x.org", {})])
    stranger = signed_in(RecordTypeFactory(), Role.ADMIN)
    asked = {"type": clients.pk, "kind": "csv", "download": "yes"}
    answer = stranger.get(f"{PAGES}/export/", asked)
    assert "a@x.org" not in answer.text
    assert "Select a valid choice" in answer.text


def test_without_a_record_type_the_page_says_what_to_do_first(db: Any):
    client = Client()
    client.force_login(MembershipFactory().user)
    assert "Make a record type" in client.get(f"{PAGES}/add/").text
