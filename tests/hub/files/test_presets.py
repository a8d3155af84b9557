"""Exports of systems without an API: chosen by name, suggested, seen before anything is taken."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from hub.accounts.models import Role
from hub.files.models import FileImport
from hub.files.presets import PRESETS
from hub.sync.models import Record, RecordType
from tests.factories import MembershipFactory
from tests.hub.files.conftest import run

pytestmark = pytest.mark.django_db
ADD = "/admin/files/fileimport/add/"
FILES = {
    "honeybook-clients": (
        "Client Full Name,Client Email,Phone Number,Project Type,Project Date\n"
        "Ann Ondaatje,Ann@Example.com,+1 608 555 0100,Wedding,03/04/2026\n",
        {
            "name": "Ann Ondaatje",
            "email": "ann@example.com",
            "phone": "+1 608 555 0100",
            "project_type": "Wedding",
            "project_date": "2026-03-04",
        },
    ),
    "light-blue-contacts": (
        "ContactNameFirst,ContactNameLast,ContactEmail,ContactPhoneMobile,ContactDateOfBirth,Notes\n"
        "Ann,Ondaatje,ann@example.com,07700 900123,03/04/1990,Likes film\n",
        {
            "first_name": "Ann",
            "last_name": "Ondaatje",
            "email": "ann@example.com",
            "phone": "07700 900123",
            "birth_date": "1990-04-03",
            "notes": "Likes film",
        },
    ),
}


def upload(kind: RecordType, preset: str, text: str) -> tuple[Client, FileImport]:
    client = Client()
    client.force_login(MembershipFactory(organization=kind.organization, role=Role.OPERATOR).user)
    body = {"type": kind.pk, "preset": preset, "file": SimpleUploadedFile("export.csv", text.encode())}
    assert client.post(ADD, body).status_code == 302
    return client, FileImport.objects.get()


def test_every_preset_is_tried_here():
    assert {one.key for one in PRESETS} == set(FILES)


@pytest.mark.parametrize("key", FILES)
def test_an_export_is_suggested_by_its_name_shown_and_taken(clients: RecordType, key: str):
    text, expected = FILES[key]
    client, file = upload(clients, key, text)
    page = client.get(f"/admin/files/fileimport/{file.pk}/change/").text
    label = next(one.label for one in PRESETS if one.key == key)
    assert f"Suggested as {label}" in page
    assert "1 of the first" in page
    assert not Record.objects.exists()
    run(file)
    assert Record.objects.get(key="ann@example.com").data == expected


def test_a_preset_gives_no_field_that_the_type_refuses_and_none_twice(clients: RecordType):
    clients.schema = {"properties": {"email": {}, "phone": {}}, "additionalProperties": False}
    clients.save()
    _, file = upload(
        clients, "light-blue-contacts", "Mobile,Phone,ContactEmail,ContactRole\n1,2,a@x.org,Bride\n"
    )
    assert [(one["column"], one["field"]) for one in file.columns] == [
        ("Mobile", "phone"),
        ("Phone", ""),
        ("ContactEmail", "email"),
        ("ContactRole", ""),
    ]


def test_the_preset_holds_where_the_file_is_read_otherwise(clients: RecordType):
    client, file = upload(clients, "honeybook-clients", "Client Email;Event Date\na@x.org;03/04/2026\n")
    client.post(f"/admin/files/fileimport/{file.pk}/columns/", {"do": "layout", "separator": ";"})
    file.refresh_from_db()
    assert [(one["field"], one["kind"]) for one in file.columns] == [
        ("email", "email"),
        ("project_date", "date_mdy"),
    ]


def test_what_no_preset_knows_is_refused(clients: RecordType):
    client = Client()
    client.force_login(MembershipFactory(organization=clients.organization, role=Role.OPERATOR).user)
    body = {"type": clients.pk, "preset": "abacus", "file": SimpleUploadedFile("a.csv", b"email\na@x.org\n")}
    assert "abacus is not one of the available choices" in client.post(ADD, body).text
    assert not FileImport.objects.exists()
