"""Makes the API's description: what all operations have in common is said once, here."""

from http import HTTPStatus
from typing import Any, Literal

from drf_spectacular.contrib.pydantic import PydanticExtension
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from pydantic.json_schema import model_json_schema

from hub.api.idempotency import HEADER, KEPT
from hub.api.problems import DETAILS, MEDIA_TYPE, problem

IDEMPOTENCY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Sent again with the same key, the call is done once and answered again, for "
    f"{KEPT.days * 24 + KEPT.seconds // 3600} hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~][ -~]*$"},
}
EVENTS_KEY = {
    **IDEMPOTENCY,
    "description": "Stands for idempotency_key where an event brings none; for a batch with the event's "
    "position behind it (key#0). A CloudEvent has its source and id instead. The first event of a key "
    "counts: whatever is sent under it later is answered with that one and `duplicate: true`.",
    "schema": {"type": "string"},
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The ETag that was read, or * for whichever version is there.",
    "schema": {"type": "string", "minLength": 1},
    "examples": {"any": {"summary": "Whatever is there", "value": "*"}},
}
ETAG = {"description": "Names this version, for If-Match.", "schema": {"type": "string"}}
LINK = {
    "description": 'Where the next page is, relative to this address: <…>; rel="next". Not on the last page.',
    "schema": {"type": "string"},
}
REQUEST_ID = {"description": "Finds the call in the hub's log.", "schema": {"type": "string"}}
PUBLIC = (
    "Needs no key: it is how people get tokens. An `Idempotency-Key` counts for nothing here: an answer with "
    "tokens in it is kept for nobody."
)
#: Problems that every operation may end with.
ALWAYS = (400, 401, 403, 406, 429)


class APIKeyScheme(OpenApiAuthenticationExtension):
    """Both ways in which a key is sent, and a person's token with the organization that is meant."""

    target_class = "hub.api.authentication.APIKeyAuthentication"
    name = ["apiKey", "apiKeyHeader", "person", "organization"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        """Return what is enough, each by itself; names in one dict are needed together."""
        return [{"apiKey": []}, {"apiKeyHeader": []}, {"person": [], "organization": []}]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        """Return the OpenAPI security schemes."""
        return [
            {"type": "http", "scheme": "bearer", "description": "An API key: ick_…"},
            {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "A person's access token (/api/auth/login), with the header X-Organization.",
            },
            {
                "type": "apiKey",
                "in": "header",
                "name": "X-Organization",
                "description": "Slug of the organization that a person means; a key needs none.",
            },
        ]


class FormExtension(PydanticExtension):
    """Describes pydantic's forms: of a request what it may bring, of an answer what it has."""

    priority = 1

    def get_name(self, auto_schema: Any, direction: Any) -> str:
        """Return the component's name."""
        name: str = super().get_name(auto_schema, direction)
        return name

    def map_serializer(self, auto_schema: Any, direction: Any) -> Any:
        """Return the JSON Schema, with the forms inside registered as components."""
        mode: Literal["validation", "serialization"] = (
            "validation" if direction == "request" else "serialization"
        )
        template = "#/components/schemas/{model}" + ("" if direction == "request" else "Shown")
        schema = model_json_schema(self.target, ref_template=template, mode=mode)
        for name, inner in schema.pop("$defs", {}).items():
            full = name if direction == "request" else f"{name}Shown"
            component = ResolvedComponent(full, ResolvedComponent.SCHEMA, inner, full)
            auto_schema.registry.register_on_missing(component)
        return schema


class HubSchema(AutoSchema):
    """Adds to each operation its scope, the headers that it takes and gives, and the common problems."""

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        """Return one operation."""
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return operation
        for status in ALWAYS:
            operation["responses"].setdefault(str(status), _problem(status))
        if hasattr(self.view, "required_scope"):
            self._add_scope(operation)
            self._add_common(operation)
        else:
            operation["security"] = []
            operation["description"] = _with(operation, PUBLIC)
        for status, response in operation["responses"].items():
            self._add_headers(operation, status, response)
        operation["responses"] = dict(sorted(operation["responses"].items()))
        return operation

    def _add_common(self, operation: dict[str, Any]) -> None:
        if self.method == "POST":
            own = getattr(self.view, "own_idempotency", False)
            operation.setdefault("parameters", []).append(EVENTS_KEY if own else IDEMPOTENCY)
        if "412" in operation["responses"]:
            operation.setdefault("parameters", []).append(self._if_match(operation))
        for status in (409, 422) if self.method == "POST" else ():
            operation["responses"].setdefault(str(status), _problem(status))

    def _add_scope(self, operation: dict[str, Any]) -> None:
        needed: Any = getattr(self.view, "required_scope", "")
        scope = str(needed[self.method] if isinstance(needed, dict) else needed)
        operation["description"] = _with(operation, f"Needs the scope `{scope}`.")
        operation["x-required-scope"] = scope

    def _if_match(self, operation: dict[str, Any]) -> dict[str, Any]:
        dry = any(each["name"] == "dry_run" for each in operation.get("parameters", []))
        return {**IF_MATCH, "required": "428" in operation["responses"] and not dry}

    def _add_headers(self, operation: dict[str, Any], status: str, response: dict[str, Any]) -> None:
        headers = response.setdefault("headers", {})
        headers["X-Request-Id"] = REQUEST_ID
        if status in ("200", "201") and getattr(self.view, "versioned_answers", False):
            headers["ETag"] = ETAG
        if status == "200" and any(each["name"] == "cursor" for each in operation.get("parameters", [])):
            headers["Link"] = LINK
        for media in response.get("content", {}).values() if int(status) >= 400 else ():
            media.setdefault("examples", {"Problem": {"value": _sample(int(status))}})


def _with(operation: dict[str, Any], said: str) -> str:
    """Return the operation's description with one sentence more."""
    return "\n\n".join(filter(None, (operation.get("description", ""), said)))


def _problem(status: int) -> dict[str, Any]:
    return {
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        "description": DETAILS[status],
    }


def _sample(status: int) -> dict[str, Any]:
    errors = [{"field": "name", "message": "'name': is needed."}] if status == HTTPStatus.BAD_REQUEST else []
    return problem(status, request_id="0198a6e2f9a7c319d6e0a1b2c3d4e5f0", errors=errors)
