"""Other sides on loopback that keep what they are sent, in the providers' own shapes."""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = {"access_token": "t", "token_type": "Bearer", "expires_in": 3600}


def reply(handler: BaseHTTPRequestHandler, status: int, body: Any) -> None:
    """Answer with JSON."""
    raw = json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(raw)))
    handler.end_headers()
    handler.wfile.write(raw)


@dataclass
class FhirServer:
    """Patients and Observations by identifier; transactions are all or none, searches have two a page.

    A resource that holds the text ``REFUSED`` is refused, with its entry named.
    """

    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    bundles: list[list[str]] = field(default_factory=list)
    writes: dict[str, int] = field(default_factory=dict)

    def __call__(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """Answer one request."""
        parts = urlsplit(handler.path)
        if parts.path.endswith("/token"):
            return reply(handler, 200, TOKEN)
        if handler.command == "POST":
            return reply(handler, *self._transaction(json.loads(body)))
        query = parse_qs(parts.query)
        return reply(handler, 200, self._search(parts.path.rsplit("/", 1)[1], query, parts.path))

    def _transaction(self, bundle: Mapping[str, Any]) -> tuple[int, Any]:
        urls = [entry["request"]["url"] for entry in bundle["entry"]]
        self.bundles.append(urls)
        for place, entry in enumerate(bundle["entry"]):
            if "REFUSED" in json.dumps(entry):
                where = [f"Bundle.entry[{place}].resource.name"]
                issue = {"severity": "error", "code": "value", "diagnostics": "No.", "expression": where}
                return 422, {"resourceType": "OperationOutcome", "issue": [issue]}
        return 200, {"resourceType": "Bundle", "entry": [self._put(one) for one in bundle["entry"]]}

    def _put(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        kind, _, key = entry["request"]["url"].partition("?identifier=")
        known = self.resources.get(f"{kind} {unquote(key)}")
        made = known["id"] if known else f"f{len(self.resources) + 1}"
        self.resources[f"{kind} {unquote(key)}"] = {**entry["resource"], "id": made}
        self.writes[made] = self.writes.get(made, 0) + 1
        status = "200 OK" if known else "201 Created"
        return {"response": {"status": status, "location": f"{kind}/{made}/_history/1"}}

    def _search(self, kind: str, query: Mapping[str, Sequence[str]], path: str) -> dict[str, Any]:
        found = [one for one in self.resources.values() if one["resourceType"] == kind]
        begin = int(query.get("page", ["0"])[0])
        more = [{"relation": "next", "url": f"https://fhir.epic.com{path}?page={begin + 2}"}]
        return {
            "resourceType": "Bundle",
            "type": "searchset",
            "link": more if begin + 2 < len(found) else [],
            "entry": [{"resource": one} for one in found[begin : begin + 2]],
        }


@dataclass
class SalesforceOrg:
    """Objects by external ID, written in collections and read by SOQL, ``page`` records a page.

    A record without LastName is refused by itself. Each answer takes ``wait`` seconds.
    """

    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    collections: list[int] = field(default_factory=list)
    writes: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    #: By key, every different thing that it was ever told.
    told: dict[str, set[str]] = field(default_factory=dict)
    calls: int = 0
    page: int = 2
    wait: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """Answer one request."""
        parts = urlsplit(handler.path)
        if parts.path.endswith("/token"):
            return reply(handler, 200, TOKEN)
        with self._lock:
            self.calls += 1
        time.sleep(self.wait)
        if handler.command == "PATCH":
            records, by = json.loads(body)["records"], parts.path.rsplit("/", 1)[1]
            with self._lock:
                self.collections.append(len(records))
                answers = [self._upsert(one, by) for one in records]
            return reply(handler, 200, answers)
        if parts.path.endswith("/queryAll/"):
            self.asked.append(parse_qs(parts.query)["q"][0])
            return reply(handler, 200, self._page(0))
        return reply(handler, 200, self._page(int(parts.path.rsplit("-", 1)[1])))

    def _upsert(self, record: Mapping[str, Any], field: str) -> dict[str, Any]:
        if not record.get("LastName"):
            message = "Required fields are missing: [LastName]"
            error = {"statusCode": "REQUIRED_FIELD_MISSING", "message": message, "fields": ["LastName"]}
            return {"success": False, "errors": [error]}
        key = record[field]
        known = self.records.get(key, {"Id": f"003{len(self.records):012}"})
        stamp = {"IsDeleted": False, "SystemModstamp": "2026-11-02T10:00:00.000+0000"}
        self.records[key] = {**known, **record, **stamp}
        self.writes[key] = self.writes.get(key, 0) + 1
        self.told.setdefault(key, set()).add(json.dumps(record, sort_keys=True))
        return {"id": known["Id"], "success": True, "errors": [], "created": "Email" not in known}

    def _page(self, begin: int) -> dict[str, Any]:
        rows = list(self.records.values())
        answer: dict[str, Any] = {"totalSize": len(rows), "records": rows[begin : begin + self.page]}
        end = begin + self.page
        if end >= len(rows):
            return {**answer, "done": True}
        return {**answer, "done": False, "nextRecordsUrl": f"/services/data/v67.0/query/01g-{end}"}
