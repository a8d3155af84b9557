"""What is particular about talking to Stripe: key and version headers, idempotency, errors."""

import hashlib
from collections.abc import Mapping
from typing import Any

from hub.lib.outbound import Response
from integrations.base.auth import Credentials, HeaderAuth
from integrations.base.errors import AuthError, IntegrationError, PermanentError, Rejected, TransientError
from integrations.base.http import Outgoing
from integrations.base.provider import Context, search
from integrations.base.responses import classifier, hinting, json_of
from integrations.base.results import Result

#: Stripe takes keys of up to 255 characters; the rest is for the name of the step.
LONGEST_KEY = 200

_by_status = classifier(message="error.message")


class StripeKey(HeaderAuth):
    """The key as bearer token, with the pinned version and the account that is acted for."""

    def apply(self, request: Outgoing, credentials: Credentials) -> None:
        """Add the three headers to ``request``."""
        super().apply(request, credentials)
        if version := credentials.settings.get("api_version"):
            request.headers["Stripe-Version"] = version
        if account := credentials.settings.get("stripe_account"):
            request.headers["Stripe-Account"] = account


def post(ctx: Context, path: str, form: Mapping[str, Any], step: str = "") -> dict[str, Any]:
    """POST a form under the item's idempotency key; ``step`` tells several POSTs of one item apart."""
    key = ctx.idempotency_key
    if len(key) > LONGEST_KEY:
        key = hashlib.sha256(key.encode()).hexdigest()
    headers = {"Idempotency-Key": f"{key}:{step}" if step else key}
    return answer(ctx.http.post(path, form=form, headers=headers))


def answer(response: Response) -> dict[str, Any]:
    """Return the JSON object of a success; raise TransientError where something else came back."""
    body = json_of(response)
    if not isinstance(body, dict):
        raise TransientError("Stripe's answer is not JSON; something in between may have given it.")
    return body


def text(value: Any) -> str:
    """Return a value of an answer if it is text, else nothing."""
    return value if isinstance(value, str) else ""


def who_am_i(ctx: Context) -> Result:
    """Read the balance, which every useful key may, and the account that the key belongs to, where it may."""
    with hinting(_TEST_HINTS):
        live = answer(ctx.http.get("/v1/balance")).get("livemode")
    mode = "live mode" if live else "test mode"
    try:
        account = answer(ctx.http.get("/v1/account"))
    except IntegrationError:
        # A restricted key need not have the right to see its account; what it is for works all the same.
        account = {}
    name = text(search(_NAME, account)) or "account"
    return Result(f"{name} in {mode}", message="The connection works.", account_id=text(account.get("id")))


def classify(response: Response) -> None:
    """Raise the right IntegrationError for an answer that is no success.

    ``Stripe-Should-Retry`` decides where Stripe sends it, as in its own SDKs; 409 and 5xx are
    transient otherwise. Error objects: docs.stripe.com/api/errors.
    """
    try:
        _by_status(response)
    except IntegrationError as error:
        raise _refined(error, response, _error_object(response)) from None


def _refined(error: IntegrationError, response: Response, said: Mapping[str, Any]) -> IntegrationError:
    status, code, advice = response.status, said.get("code"), response.headers.get("stripe-should-retry")
    if status == 429 and code == "lock_timeout":
        # One object is locked; the account's limit is not reached, so only this item waits.
        return TransientError(error.message, status=status)
    if status == 401:
        return AuthError(error.message, status=status, hint=_KEY_HINT)
    if status == 403:
        return AuthError(error.message, status=status, hint=_RIGHTS_HINT)
    if isinstance(error, TransientError):
        replayed = advice == "false" and status >= 500
        return PermanentError(error.message, status=status, hint=_REPLAY_HINT) if replayed else error
    if advice == "true":
        return TransientError(error.message, status=status)
    return _permanent(error.message, status, said)


def _permanent(message: str, status: int, said: Mapping[str, Any]) -> PermanentError:
    if said.get("type") == "idempotency_error":
        return PermanentError(message, status=status, hint=_CHANGED_HINT)
    reason = text(said.get("decline_code")) or text(said.get("code"))
    if reason and status == 402:
        message = f"{message} ({reason})"
    if param := text(said.get("param")):
        return Rejected(message, fields={param: text(said.get("message")) or message}, status=status)
    return PermanentError(message, status=status)


def _error_object(response: Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    said = body.get("error") if isinstance(body, dict) else None
    return said if isinstance(said, dict) else {}


_NAME = "settings.dashboard.display_name || business_profile.name || email || id"
_TEST_HINTS = {
    401: "Stripe does not know this key. Copy it again, or make a new one if it was revoked.",
    403: "The restricted key needs the right “Balance: read”, which this test uses.",
}
_KEY_HINT = "The key is revoked, expired or mistyped. Make a new restricted key in Stripe and enter it here."
_RIGHTS_HINT = (
    "The restricted key lacks a right, which Stripe's message names. Edit the key in Stripe under "
    "Developers → API keys; it then works here without being entered again."
)
_REPLAY_HINT = (
    "Stripe says that trying again will not help: it repeats this answer for the same idempotency key. "
    "Look in Stripe whether it took effect; if not, replay the item, which gives it a new key."
)
_CHANGED_HINT = (
    "The content changed since the first try. Replay the item: the new one gets an idempotency key "
    "of its own."
)
