"""The connection test: one harmless request, and a sentence that says what to do."""

import logging
import time
from dataclasses import dataclass

from hub.connections.client import open_connection
from hub.connections.models import Credential, Integration
from hub.connections.signals import connection_tested
from hub.lib.keyring import KeyringError
from hub.lib.sentences import advised
from integrations.base.connection_tests import prove
from integrations.base.errors import AuthError, IntegrationError, RateLimited, TransientError
from integrations.base.http import Exchange, Transport
from integrations.base.results import Result

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """What a connection test found. ``account``: the connected account's label, where it is told."""

    __test__ = False

    ok: bool
    message: str
    hint: str = ""
    latency_ms: int = 0
    account: str = ""
    #: What tells the account from another one; empty where nothing does.
    account_id: str = ""
    #: Short name of the error's class, as in the log; empty where it worked.
    kind: str = ""


def run_connection_test(
    integration: Integration, *, transport: Transport | None = None, sandbox_url: str = ""
) -> TestOutcome:
    """Test ``integration``, keep the outcome with it, and return it. Never raises for a failed test."""
    exchanges: list[Exchange] = []
    outcome = _tested(integration, exchanges, transport, sandbox_url)
    stored = outcome.message if outcome.ok else advised(outcome.message, outcome.hint)
    integration.record_test(
        outcome.ok, stored, outcome.latency_ms, outcome.account, outcome.account_id, outcome.kind
    )
    connection_tested.send(Integration, integration=integration, outcome=outcome, exchanges=exchanges)
    return outcome


def rehearse_test(integration: Integration, credential: Credential) -> TestOutcome:
    """Test a state that is not saved (yet); nothing is kept of it. Never raises for a failed test."""
    return _tested(integration, [], None, "", credential)


def _tested(
    integration: Integration,
    exchanges: list[Exchange],
    transport: Transport | None,
    sandbox_url: str,
    rehearsed: Credential | None = None,
) -> TestOutcome:
    started = time.perf_counter()
    try:
        result = _prove(integration, exchanges, transport, sandbox_url, rehearsed)
    except (IntegrationError, KeyError, KeyringError) as error:
        return _failed(error, integration, _since(started))
    except Exception as bug:  # a fault in a provider's code must reach the admin as a sentence too
        logger.exception("The connection test of %s failed in our own code", integration.provider_slug)
        return TestOutcome(
            False,
            f"Interchange's own code failed here ({type(bug).__name__}).",
            "This is a fault of the hub: please report it with the time of this test.",
            _since(started),
            kind="bug",
        )
    return TestOutcome(True, _good(result), "", _since(started), result.external_id, result.account_id)


def _prove(
    integration: Integration,
    exchanges: list[Exchange],
    transport: Transport | None,
    sandbox_url: str,
    rehearsed: Credential | None,
) -> Result:
    connection = open_connection(
        integration, transport=transport, sandbox_url=sandbox_url, rehearsed=rehearsed
    )
    context = connection.context(f"test_{integration.pk}", exchanges=exchanges)
    try:
        result = prove(connection.provider, integration.auth_key, context)
        return result.masked(connection.redactor.text)
    except IntegrationError as error:
        error.mask(connection.redactor.text)
        raise


def _since(started: float) -> int:
    return int((time.perf_counter() - started) * 1000)


def _good(result: Result) -> str:
    text = result.message or "The connection works."
    return f"{text} Connected as {result.external_id}." if result.external_id else text


def _failed(error: Exception, integration: Integration, latency_ms: int) -> TestOutcome:
    if isinstance(error, IntegrationError):
        hint = error.hint or _hint(error)
        return TestOutcome(False, error.message, hint, latency_ms, kind=error.kind)
    if isinstance(error, KeyringError):
        return TestOutcome(False, f"The credential cannot be opened. {error}", "", latency_ms, kind="keyring")
    return TestOutcome(
        False,
        f"A setting or the code of {integration.provider_slug} is missing: {error.args[0]}.",
        "Open the integration, fill in its settings and save.",
        latency_ms,
        kind="settings",
    )


def _hint(error: IntegrationError) -> str:
    if isinstance(error, AuthError):
        return "Enter the credential again, or connect again."
    if isinstance(error, RateLimited):
        return "The provider's limit is reached: wait a little and test again."
    if isinstance(error, TransientError):
        return "Test again in a minute; if it stays so, look at the provider's status page."
    return _STATUS_HINTS.get(
        error.status or 0, "Check the settings against the instructions beside the form."
    )


_STATUS_HINTS = {
    400: "Check the settings: the provider did not understand the request.",
    403: "Give the credential the permissions that the instructions list.",
    404: "Check the address, the region and the account in the settings.",
    410: "The address is gone at the provider: make a new one there and enter it.",
}
