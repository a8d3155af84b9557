"""Large files in and out take little memory: measured in a process of their own, on a file on the disk."""

import multiprocessing
import os
import resource
import shutil
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections
from django.test import Client, RequestFactory

from hub.accounts.models import Role, Scope
from hub.files import exporting, importing, screens, spreadsheets
from hub.files.exporting import Choice
from hub.files.models import FileImport, ImportState, Kind
from hub.sync.models import Record, RecordType
from tests.factories import MembershipFactory, api_key
from tests.hub.files.conftest import run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]

ROWS = 200_000
#: MiB that a process may grow by, whatever the size of the file: a hub has 300 with all that it loads.
GROWTH = 100
BOUNDARY = "a-boundary-of-the-test"


def apart(job: Callable[[], Any]) -> float:
    """Do ``job`` in a process of its own; return how many MiB it grew by. Its failure fails the test."""
    connections.close_all()
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)

    def work() -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            job()
        except BaseException as error:
            there.send(repr(error))
            os._exit(1)
        there.send((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
        os._exit(0)

    process = context.Process(target=work)
    process.start()
    there.close()
    found = here.recv()
    process.join()
    assert isinstance(found, float), found
    return found


def posted(path: str, body: Path, kind: str, **environ: str) -> int:
    """Post what is on the disk, as a web server hands it over: a stream; return the status."""
    statuses: list[str] = []
    with body.open("rb") as stream:
        request = RequestFactory()._base_environ(PATH_INFO=path, REQUEST_METHOD="POST", **environ)
        request |= {"wsgi.input": stream, "CONTENT_TYPE": kind, "CONTENT_LENGTH": str(body.stat().st_size)}
        request["wsgi.errors"] = sys.stderr
        answer: Iterable[bytes] = WSGIHandler()(request, lambda status, headers: statuses.append(status))
        told = b"".join(answer)
    assert statuses[0].startswith(("2", "302")), told[:2000]
    return int(statuses[0][:3])


def lines(count: int) -> Iterable[str]:
    yield "email,name,company,phone,note\n"
    for n in range(count):
        yield f"person{n}@example.com,Name {n},Company {n % 997},+49 30 {n:08},{'What was said. ' * 4}\n"


def test_the_measure_sees_what_is_held():
    assert apart(lambda: b"x" * (2 * GROWTH * 1024**2)) > GROWTH


def test_a_large_file_comes_in_by_the_page_and_goes_out(clients: RecordType, tmp_path: Path):
    client = Client()
    client.force_login(MembershipFactory(organization=clients.organization, role=Role.OPERATOR).user)
    token, body = "t" * 32, tmp_path / "body"
    parts = {"csrfmiddlewaretoken": token, "type": str(clients.pk)}
    with body.open("w") as file:
        for name, value in parts.items():
            file.write(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n')
        file.write(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="people.csv"\r\n')
        file.write("Content-Type: text/csv\r\n\r\n")
        file.writelines(lines(ROWS))
        file.write(f"\r\n--{BOUNDARY}--\r\n")
    cookies = f"sessionid={client.cookies['sessionid'].value}; csrftoken={token}"
    made = tmp_path / "out.csv"

    def job() -> None:
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        posted("/admin/files/fileimport/add/", body, kind, HTTP_COOKIE=cookies)
        file = FileImport.objects.get()
        assert importing.begin(file, remember=False) == []
        importing.run_until_idle()
        with made.open("wb") as out:
            out.writelines(exporting.export(Choice(type=clients), Kind.CSV))

    assert body.stat().st_size > 20 * 1024**2
    assert apart(job) < GROWTH
    file = FileImport.objects.get()
    assert (file.state, file.created, file.rejected) == (ImportState.COMPLETED, ROWS, 0)
    assert Record.objects.count() == ROWS
    with made.open("rb") as out:
        assert sum(1 for _ in out) == ROWS + 1


def test_a_large_file_comes_in_by_the_api(clients: RecordType, tmp_path: Path):
    body = tmp_path / "body.csv"
    with body.open("w") as file:
        file.writelines(lines(ROWS // 2))
    bearer = f"Bearer {api_key(clients.organization, [Scope.RECORDS_WRITE])}"
    path = f"/api/records/{clients.name}/bulk"
    assert apart(lambda: posted(path, body, "text/csv", HTTP_AUTHORIZATION=bearer)) < GROWTH
    assert Record.objects.count() == ROWS // 2


def test_a_workbook_is_read_row_by_row(clients: RecordType, tmp_path: Path):
    made, rows = tmp_path / "people.xlsx", 30_000

    def write() -> None:
        cells = ([f"person{n}@example.com", f"Name {n}", "What was said. " * 4] for n in range(rows))
        with spreadsheets.write_sheet(["email", "name", "note"], cells) as book, made.open("wb") as out:
            shutil.copyfileobj(book, out)

    def read() -> None:
        with made.open("rb") as book:
            file, problem = screens.upload(
                clients, "people.xlsx", iter(partial(book.read, 65_536), b""), None
            )
        assert file is not None, problem
        run(file)

    apart(write)
    assert apart(read) < GROWTH
    assert FileImport.objects.get().created == rows == Record.objects.count()
