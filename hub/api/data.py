"""What an integration holds, page by page, through the provider's own pull action."""

from typing import Any

from django.core import signing
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts.models import Scope
from hub.api import schemas
from hub.api.base import HubView
from hub.api.pagination import link_next, moment, only_known
from hub.api.problems import Conflict, FieldProblem, ProviderFailed, seconds_until
from hub.connections.models import Integration
from hub.lib.sentences import advised
from hub.sync.reading import Held, pull_of, read_page
from integrations.base.errors import IntegrationError, RateLimited

SALT = "hub.api.data"
#: Seconds that a cursor is good for.
CURSOR_AGE = 24 * 3600
DATA = schemas.shape(
    "IntegrationData",
    {
        "integration": schemas.text("Its slug."),
        "pull": schemas.text("What was read."),
        "results": serializers.ListField(
            child=serializers.DictField(), help_text="Rows as the provider gives them; secrets masked."
        ),
        "next_cursor": schemas.text(allow_null=True),
    },
)
READ: dict[str, Any] = {
    "integration": "crm",
    "pull": "contacts",
    "results": [{"id": "101", "properties": {"email": "ann@example.com"}}],
    "next_cursor": None,
}


class DataView(HubView):
    """``/api/integrations/data/{integration}``."""

    http_method_names = ["get"]
    required_scope = Scope.DATA_READ

    @extend_schema(
        operation_id="readIntegrationData",
        summary="Read a page of what an integration holds",
        description="Asks the provider, within the integration's limits; the hub keeps nothing of it but a "
        "log entry. What can be read is named under `pulls` by `/api/providers/{provider}`.",
        parameters=[
            schemas.INTEGRATION,
            schemas.query("pull", "What to read; the provider's first pull unless given."),
            schemas.SINCE_UNTIL[0],
            schemas.CURSOR,
        ],
        responses=schemas.answers({200: DATA}, 400, 404, 409, 424),
        examples=[schemas.example("Contacts", READ)],
        tags=["Integrations"],
    )
    def get(self, request: Request, integration: str) -> Response:
        """Read one page."""
        found = self.integration(integration)
        only_known(request, "pull", "since", but=("limit",))
        try:
            pull = pull_of(found, request.query_params.get("pull", ""))
        except ValueError as error:
            raise FieldProblem([("pull", str(error))]) from None
        cursor = _opened(found, pull.name, request.query_params.get("cursor"))
        try:
            page = read_page(found, pull, cursor, moment(request, "since"))
        except Held as held:
            raise Conflict(held.reason, wait=seconds_until(held.until)) from None
        except RateLimited as error:
            raise exceptions.Throttled(error.retry_after or 60) from None
        except IntegrationError as error:
            raise ProviderFailed(advised(error.message, error.hint)) from None
        following = _sealed(found, pull.name, page.next_cursor)
        told = {"integration": found.slug, "pull": pull.name, "results": page.rows}
        answer = Response({**told, "next_cursor": following})
        link_next(request, answer, following)
        return answer


def _sealed(integration: Integration, pull: str, cursor: str | None) -> str | None:
    """Return a provider's cursor in a form that nobody else can make: it may be an address to be asked."""
    if cursor is None:
        return None
    return signing.dumps([str(integration.pk), pull, cursor], salt=SALT, compress=True)


def _opened(integration: Integration, pull: str, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        owner, name, cursor = signing.loads(text, salt=SALT, max_age=CURSOR_AGE)
    except (signing.BadSignature, ValueError):
        owner = name = cursor = ""
    if (owner, name) != (str(integration.pk), pull):
        message = "The cursor is not one that this list gave out today; leave it out to begin anew."
        raise FieldProblem([("cursor", message)])
    return str(cursor)
