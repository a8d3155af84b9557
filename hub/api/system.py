"""What machines ask about the hub itself: is it alive, is it ready, its metrics."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from rest_framework.exceptions import APIException, NotAuthenticated

from hub.accounts.models import Organization, Scope
from hub.api.authentication import demand, key_text, sent_key
from hub.api.problems import problem_response
from hub.connections.canary import check_keys
from hub.connections.lost import loss
from hub.delivery import beats
from hub.lib.inbound import is_local_call
from hub.lib.keyring import KeyringError
from hub.metrics.collector import exposition
from hub.metrics.prometheus import CONTENT_TYPE

logger = logging.getLogger(__name__)


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """Say that the process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Say whether the hub can work: 503 with a sentence for each thing that is missing.

    ``?for=web`` asks whether this process may be given requests: an event is worth accepting also
    while every worker is away, so a load balancer asks this.
    """
    passed_over = WORKERS_CHECKS if request.GET.get("for") == "web" else ()
    checks = {name: _outcome(check) for name, check in CHECKS.items() if name not in passed_over}
    ready = all(outcome == "ok" for outcome in checks.values())
    answer: dict[str, object] = {"status": "ready" if ready else "not ready", "checks": checks}
    # It works, so that events come in, but not wholly; who watches is to know.
    if checks["keys"] == "ok" and (found := loss()) is not None:
        answer["notes"] = {"keys": found.sentence}
    return JsonResponse(answer, status=200 if ready else 503)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Return Prometheus metrics: of the key's organization; of all, embedded, to this machine itself."""
    if not key_text(request.META) and settings.HUB.embedded and is_local_call(request):
        return HttpResponse(exposition(Organization.objects.all()), content_type=CONTENT_TYPE)
    try:
        key = sent_key(request.META)
        if key is None:
            raise NotAuthenticated(f"Send an API key with the scope {Scope.METRICS_READ}.")
        demand(key, Scope.METRICS_READ)
    except APIException as error:
        return problem_response(error, request)
    return HttpResponse(exposition([key.organization]), content_type=CONTENT_TYPE)


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not missing:
        return "ok"
    return f"{len(missing)} migrations are not applied; run 'python manage.py migrate'."


def _keys() -> str:
    try:
        check_keys()
    except KeyringError as error:
        logger.error("The encryption keys do not fit: %s", error)
        return "The encryption keys do not fit the data; the hub's log says which is missing."
    return "ok"


def _deliveries() -> str:
    return beats.stalled() or "ok"


CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "migrations": _migrations,
    "keys": _keys,
    "deliveries": _deliveries,
}
#: What the workers do, not the web process.
WORKERS_CHECKS = ("deliveries",)


def _outcome(check: Callable[[], str]) -> str:
    try:
        return check()
    except DatabaseError:
        logger.exception("A readiness check failed")
        return "The database does not answer; see the hub's log."
