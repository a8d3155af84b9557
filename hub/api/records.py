"""Records by the API: one by its key, and many as a stream."""

from datetime import UTC, datetime
from typing import Any

import orjson
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts.models import Scope
from hub.api import schemas
from hub.api.base import HubView
from hub.api.pagination import FIRST_YEAR, LAST_YEAR
from hub.api.problems import FieldProblem
from hub.files.exporting import CONTENT_TYPES, Choice, TooMany, export
from hub.files.models import Kind
from hub.lib.inbound import read_body
from hub.mapping.expressions import ExpressionError, compile_expression
from hub.sync.importing import CSV, MAX_ROWS, NDJSON, ImportFailed, import_rows
from hub.sync.models import Record, RecordType
from hub.sync.records import RecordError, delete, read_row, upsert

#: Bytes of one record.
RECORD_BYTES = 1024 * 1024
KINDS = {"application/x-ndjson": NDJSON, "application/jsonl": NDJSON, "text/csv": CSV}
CUSTOMER = {"id": "1042", "name": "Ann Ondaatje", "email": "ann@example.com"}

LINK = schemas.shape(
    "ExternalLink",
    {
        "integration": schemas.text("Its slug."),
        "external_id": schemas.text("What the integration calls the record."),
        "in_step": serializers.BooleanField(help_text="It has the record as it is here."),
        "sent_at": schemas.moment(allow_null=True),
        "read_at": schemas.moment(allow_null=True),
        "error": schemas.text("Why it was refused last."),
    },
)
RECORD = schemas.shape(
    "Record",
    {
        "type": schemas.text(),
        "key": schemas.text(),
        "data": serializers.JSONField(),
        "deleted": serializers.BooleanField(),
        "changed_at": schemas.moment(),
        "origin": schemas.text("Slug of the integration that the latest change came from.", allow_null=True),
        "links": LINK(many=True),
    },
)
UPSERTED = schemas.shape("Upserted", {"result": schemas.text("created, updated or unchanged")})
ROW_ERROR = schemas.shape("RowError", {"line": schemas.number(), "reason": schemas.text()})
IMPORTED = schemas.shape(
    "Imported",
    {
        "created": schemas.number(),
        "updated": schemas.number(),
        "unchanged": schemas.number(),
        "rejected": schemas.number(),
        "errors": ROW_ERROR(many=True, help_text="Of the first 1,000 rejected rows."),
    },
)
FILES: dict[Any, Any] = {(200, kind): OpenApiTypes.BINARY for kind in CONTENT_TYPES.values()}
FILE = {
    CONTENT_TYPES[Kind.NDJSON]: '{"id": "1042", "name": "Ann Ondaatje"}\n',
    CONTENT_TYPES[Kind.CSV]: "id,name\r\n1042,Ann Ondaatje\r\n",
    CONTENT_TYPES[Kind.XLSX]: "(a workbook)",
}
BULK_HELP = f"""A stream of up to {MAX_ROWS:,} rows as NDJSON (`application/x-ndjson`) or CSV (`text/csv`, the
names of the columns in the first line, an empty cell is no value), plain or packed with gzip. Each row brings
its key in the type's key field and replaces the record of that key. A row that is not taken is told and stops
no other; rows are kept as they come, and sending the same file again changes nothing."""


SHOWN: dict[str, Any] = {
    "type": "customer",
    "key": "1042",
    "data": CUSTOMER,
    "deleted": False,
    "changed_at": "2026-01-31T12:00:00Z",
    "origin": None,
    "links": [],
}
TAKEN: dict[str, Any] = {"created": 2, "updated": 0, "unchanged": 7, "rejected": 0, "errors": []}


class RecordsView(HubView):
    """What the views of records have in common."""

    def record_type(self, name: str) -> RecordType:
        """Return the organization's record type; raise NotFound."""
        found = RecordType.objects.filter(organization=self.organization, name=name).first()
        if found is None:
            raise NotFound(f"There is no record type {name!r} in this organization; make it in the admin.")
        return found


class RecordListView(RecordsView):
    """``/api/records/{type}``."""

    required_scope = Scope.RECORDS_READ

    @extend_schema(
        operation_id="exportRecords",
        summary="Export records as a file",
        description="Streamed. What is exported can be imported again.",
        parameters=[
            schemas.query("as", "ndjson (unless given), csv or xlsx."),
            schemas.query("changed_since", "Only what changed at this time or later.", OpenApiTypes.DATETIME),
            schemas.query("integration", "Only what this integration has: its slug or id."),
            schemas.query("deleted", "true: the deleted ones instead.", OpenApiTypes.BOOL),
            schemas.query("filter", "JMESPath over key, subject and data: data.country == 'FR'"),
        ],
        responses=schemas.answers(FILES, 400, 404),
        examples=[schemas.example(kind, FILE[kind], kind=kind) for kind in CONTENT_TYPES.values()],
        tags=["Records"],
    )
    def get(self, request: Request, type: str) -> StreamingHttpResponse:
        """Stream the records."""
        kind = request.query_params.get("as", Kind.NDJSON)
        if kind not in Kind.values:
            raise FieldProblem([("as", f"'as' is one of {', '.join(Kind.values)}.")])
        choice = self._choice(request, self.record_type(type))
        try:
            answer = StreamingHttpResponse(export(choice, kind), content_type=CONTENT_TYPES[Kind(kind)])
        except TooMany as error:
            raise FieldProblem([("as", str(error))]) from None
        answer.headers["Content-Disposition"] = f'attachment; filename="{type}.{kind}"'
        return answer

    def _choice(self, request: Request, kind: RecordType) -> Choice:
        asked = request.query_params
        since = _moment(asked.get("changed_since", ""))
        only = asked.get("filter", "")
        if asked.get("deleted", "false") not in ("true", "false"):
            raise FieldProblem([("deleted", "'deleted' is true or false.")])
        try:
            compiled = compile_expression(only) if only else None
        except ExpressionError as error:
            raise FieldProblem([("filter", f"'filter' is no JMESPath expression: {error}")]) from None
        holder = self.integration(asked["integration"]) if asked.get("integration") else None
        return Choice(kind, asked.get("deleted") == "true", since, holder, only=compiled)


class RecordView(RecordsView):
    """``/api/records/{type}/{key}``."""

    http_method_names = ["get", "head", "put", "delete"]
    required_scope = {
        "GET": Scope.RECORDS_READ,
        "PUT": Scope.RECORDS_WRITE,
        "DELETE": Scope.RECORDS_WRITE,
    }

    @extend_schema(
        operation_id="putRecord",
        summary="Create or replace a record",
        description="The body is the record's data. What is the same already is not written again.",
        request={"application/json": {"type": "object"}},
        responses=schemas.answers({200: UPSERTED, 201: UPSERTED}, 400, 404, 413),
        examples=[
            OpenApiExample("A customer", CUSTOMER, request_only=True),
            schemas.example("It is new", {"result": "created"}, 201),
            schemas.example("It was changed", {"result": "updated"}),
        ],
        tags=["Records"],
    )
    def put(self, request: Request, type: str, key: str) -> Response:
        """Keep what was sent under this key."""
        kind = self.record_type(type)
        try:
            data = orjson.loads(read_body(request._request, RECORD_BYTES))
        except ValueError as error:
            raise FieldProblem([("", f"The body is not JSON: {error}.")]) from None
        try:
            counts = upsert(kind, [read_row(kind, data, key=key)])
        except RecordError as error:
            raise FieldProblem([("", str(error))]) from None
        if counts.created:
            return Response({"result": "created"}, status=201)
        return Response({"result": "updated" if counts.updated else "unchanged"})

    @extend_schema(
        operation_id="readRecord",
        summary="A record, and what each integration holds of it",
        responses=schemas.answers({200: RECORD}, 404),
        examples=[schemas.example("A customer", SHOWN)],
        tags=["Records"],
    )
    def get(self, request: Request, type: str, key: str) -> Response:
        """Show the record."""
        rows = Record.objects.select_related("origin", "type").filter(type=self.record_type(type), key=key)
        record = rows.first()
        if record is None:
            raise NotFound(f"There is no {type} {key!r}.")
        return Response(_facts(record))

    @extend_schema(
        operation_id="deleteRecord",
        summary="Delete a record",
        description="Integrations follow with their next push, as the sync's policy says.",
        responses=schemas.answers({204: OpenApiResponse(description="Deleted.")}, 404),
        tags=["Records"],
    )
    def delete(self, request: Request, type: str, key: str) -> Response:
        """Mark the record as deleted."""
        if not delete(self.record_type(type), key):
            raise NotFound(f"There is no {type} {key!r}.")
        return Response(status=204)


class BulkView(RecordsView):
    """``/api/records/{type}/bulk``."""

    http_method_names = ["post"]
    required_scope = Scope.RECORDS_WRITE
    streams = True
    one_commit = False

    @extend_schema(
        operation_id="importRecords",
        summary="Create or replace many records",
        description=BULK_HELP,
        request={kind: {"type": "string", "format": "binary"} for kind in KINDS},
        responses=schemas.answers({200: IMPORTED}, 400, 404, 415),
        examples=[schemas.example("What became of the rows", TAKEN)],
        tags=["Records"],
    )
    def post(self, request: Request, type: str) -> Response:
        """Take the rows as they come."""
        kind = self.record_type(type)
        named = request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        if named not in KINDS:
            raise UnsupportedMediaType(named, f"Send {' or '.join(KINDS)}, not {named!r}.")
        try:
            report = import_rows(kind, _stream(request), KINDS[named])
        except ImportFailed as error:
            raise FieldProblem([("", str(error))]) from None
        return Response(
            {
                "created": report.created,
                "updated": report.updated,
                "unchanged": report.unchanged,
                "rejected": report.rejected,
                "errors": [{"line": line, "reason": reason} for line, _, reason in report.errors],
            }
        )


def _moment(text: str) -> datetime | None:
    """Return the time that is asked for, in UTC unless it says otherwise; raise FieldProblem."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = datetime.min
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise FieldProblem([("changed_since", "'changed_since' is a time such as 2026-11-21T10:30:00Z.")])
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _stream(request: Request) -> Any:
    """Return the body as it comes in; one that is sent in chunks has no length that Django could know."""
    plain = request._request
    chunked = "chunked" in plain.headers.get("Transfer-Encoding", "").lower()
    if chunked and not plain.META.get("CONTENT_LENGTH") and "wsgi.input" in plain.META:
        return plain.META["wsgi.input"]
    return plain


def _facts(record: Record) -> dict[str, Any]:
    links = record.links.select_related("integration").order_by("integration__name")
    return {
        "type": record.type.name,
        "key": record.key,
        "data": record.data,
        "deleted": record.deleted,
        "changed_at": record.changed_at,
        "origin": record.origin.slug if record.origin else None,
        "links": [
            {
                "integration": link.integration.slug,
                "external_id": link.external_id,
                "in_step": link.fingerprint == record.fingerprint,
                "sent_at": link.sent_at,
                "read_at": link.read_at,
                "error": link.error,
            }
            for link in links
        ],
    }
