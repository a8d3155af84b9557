"""The whole configuration by the API: the document of ``manage.py plan`` and ``apply``, as JSON."""

from typing import Any

from django.db import IntegrityError, transaction
from drf_spectacular.utils import OpenApiExample, extend_schema
from pydantic import Field
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts.models import Scope
from hub.api import schemas
from hub.api.authentication import keys
from hub.api.base import HubView
from hub.api.bodies import held_against, parse_json, require_json
from hub.api.conditional import etag, require_match
from hub.api.configured import config_problem, lock
from hub.api.pagination import choice, only_known
from hub.api.problems import Conflict, FieldProblem
from hub.config.changes import Report
from hub.config.document import MAX_BYTES, ConfigError, Document, named_twice
from hub.config.service import apply, plan
from hub.config.single import problems_of
from hub.config.snapshot import export
from hub.events import routes
from webhooks.endpoints import endpoints


class ConfigIn(Document):
    """The configuration of one organization; what it does not mention stays as it is."""

    credentials: dict[str, str] = Field(
        default_factory=dict,
        description="What the variables named in credential_env hold: name → secret. The hub's own "
        "environment is not read. What is left out stays as it is.",
    )


class ConfigOut(Document):
    """The configuration of one organization. Secrets are named, never held."""


CONFIG: dict[str, Any] = {
    "organization": {"slug": "shop", "name": "Shop"},
    "integrations": [
        {
            "slug": "crm",
            "provider": "crm",
            "name": "HubSpot",
            "credential_env": {"access_token": "ACME_HUBSPOT_ACCESS_TOKEN"},
        }
    ],
    "routes": [{"slug": "paid", "events": "order.paid", "integration": "crm", "action": "contact.upsert"}],
}
SENT = {**CONFIG, "credentials": {"ACME_HUBSPOT_ACCESS_TOKEN": "pat-…"}}
PLANNED: dict[str, Any] = {
    "dry_run": True,
    "changes": [
        {"kind": "change", "what": "route", "slug": "paid", "lines": ["priority: normal → high"]},
    ],
    "summary": "0 to create, 1 to change, 0 to delete",
}
YES = ["1", "0", "true", "false"]


class ConfigView(HubView):
    """``/api/integrations/config``."""

    http_method_names = ["get", "head", "put"]
    required_scope = {"GET": Scope.CONFIG_READ, "PUT": Scope.CONFIG_WRITE}
    body_bytes = MAX_BYTES
    versioned_answers = True

    @extend_schema(
        operation_id="readConfig",
        summary="The whole configuration",
        description="Integrations, mappings, event types, routes and webhook endpoints: what "
        "`manage.py export` writes, as JSON. Its ETag is needed to change it.",
        responses=schemas.answers({200: ConfigOut}),
        examples=[schemas.example("A small one", CONFIG)],
        tags=["Configuration"],
    )
    def get(self, request: Request) -> Response:
        """Export it."""
        document = export(self.organization)
        return Response(document, headers={"ETag": etag(document)})

    @extend_schema(
        operation_id="applyConfig",
        summary="Bring the configuration to what a document says",
        description="All or nothing, through the checks of `manage.py apply`. With `dry_run=1` nothing is "
        "changed and the answer is the plan. Needs the scope `integrations:write` as well.",
        parameters=[
            schemas.query("dry_run", "1: only say what would change.", enum=YES),
            schemas.query("prune", "1: also delete what the document does not mention.", enum=YES),
        ],
        request={"application/json": ConfigIn},
        responses=schemas.answers({200: schemas.REPORT}, 400, 409, 412, 413, 415, 428),
        examples=[
            OpenApiExample("A small one", SENT, request_only=True),
            schemas.example("The plan", PLANNED),
        ],
        tags=["Configuration"],
    )
    def put(self, request: Request) -> Response:
        """Plan it, or apply it."""
        self.demand(Scope.INTEGRATIONS_WRITE)
        only_known(request, "dry_run", "prune", but=("cursor", "limit"))
        dry_run, prune = (choice(request, name, YES) in ("1", "true") for name in ("dry_run", "prune"))
        require_json(request)
        if not dry_run:
            require_match(request, export(self.organization))
        document, secrets = self._document()
        try:
            with transaction.atomic():
                lock(self.organization)
                if dry_run:
                    report = plan(document, prune=prune, environ=secrets)
                else:
                    require_match(request, export(self.organization))
                    report = apply(document, prune=prune, environ=secrets)
        except ConfigError as error:
            raise config_problem(error) from None
        except IntegrityError:
            raise Conflict("Somebody is changing the configuration at this moment; try again.") from None
        shown = etag(export(self.organization))
        return Response(_told(report, dry_run), headers={"ETag": shown})

    def _document(self) -> tuple[Document, dict[str, str]]:
        """Return the document that was sent, and the secrets that came with it."""
        data = parse_json(self.raw_body)
        asked = held_against(ConfigIn, data)
        if asked.organization.slug != self.organization.slug:
            message = f"This key belongs to {self.organization.slug!r}; a document for another is not taken."
            raise FieldProblem([("organization.slug", message)])
        if twice := named_twice(asked):
            raise config_problem(ConfigError(twice))
        # Held against the document's own form, so that what was not sent counts as not mentioned.
        rest = {name: value for name, value in data.items() if name != "credentials"}
        return held_against(Document, rest), dict(asked.credentials)


class ReloadView(HubView):
    """``/api/integrations/config/reload``."""

    http_method_names = ["post"]
    required_scope = Scope.CONFIG_WRITE

    @extend_schema(
        operation_id="reloadConfig",
        summary="Read the configuration anew, and check it",
        description="Changes hold by themselves: for routes and mappings at once, for keys and endpoints "
        "within seconds. This lets the process that answers forget what it remembers, and holds all that "
        "is stored against the code that is installed: `problems` names what no longer fits.",
        request=None,
        responses=schemas.answers({200: schemas.RELOADED}),
        examples=[
            schemas.example("All is well", {"integrations": 4, "mappings": 2, "routes": 3, "problems": []})
        ],
        tags=["Configuration"],
    )
    def post(self, request: Request) -> Response:
        """Forget, and check."""
        keys.clear()
        endpoints.clear()
        routes.forget()
        counts = {
            name: getattr(self.organization, name).count() for name in ("integrations", "mappings", "routes")
        }
        problems = [{"place": one.place, "message": one.message} for one in problems_of(self.organization)]
        return Response({**counts, "problems": problems})


def _told(report: Report, dry_run: bool) -> dict[str, Any]:
    changes = [
        {"kind": one.kind, "what": one.what, "slug": one.slug, "lines": list(one.lines)}
        for one in report.changes
    ]
    return {"dry_run": dry_run, "changes": changes, "summary": str(report).splitlines()[-1]}
