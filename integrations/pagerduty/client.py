"""Regions, the who-am-i test, and what PagerDuty's answers mean."""

from typing import Any
from urllib.parse import urlsplit

from hub.lib.outbound import Response
from integrations.base.errors import AuthError, IntegrationError, PermanentError
from integrations.base.provider import Context, search
from integrations.base.responses import classifier, json_of
from integrations.base.results import Result

_KEY_HINT = "Copy the integration key again: service → Integrations → Events API V2. Check the region, too."
_API_HINT = "Make a new API key (Integrations → API Access Keys) and enter it. Check the region, too."

_by_status = classifier(message="error.message || join('; ', errors || `[]`) || message")


def host(ctx: Context, name: str) -> str:
    """Return the name of the base URL in the integration's region."""
    return f"{name}_eu" if ctx.settings.get("region") == "eu" else name


def who_am_i(ctx: Context) -> Result:
    """Ask whose key it is. An account's key belongs to nobody (400); what it may do proves it then."""
    answer = ctx.http.get("/users/me", host=host(ctx, "default"), check=False)
    if answer.status == 400:
        answer = ctx.http.get("/abilities", host=host(ctx, "default"), check=False)
        if answer.status == 200:
            people = ctx.http.get("/users", params={"limit": 1}, host=host(ctx, "default"), check=False)
            where = _address(search("users[0].html_url", json_of(people)))
            said = "PagerDuty knows the account's API key."
            return Result(f"Account {where}" if where else "", message=said, account_id=where)
    try:
        classify(answer)
    except IntegrationError as error:
        error.hint = _API_HINT if answer.status in (401, 403) else error.hint
        raise
    said = json_of(answer)
    account = search("user.email || user.name", said) or ""
    # A colleague's key is of the same account: its own address tells it from another one.
    where = _address(search("user.html_url", said))
    return Result(external_id=str(account), message="PagerDuty knows the API key.", account_id=where)


def _address(page: Any) -> str:
    return urlsplit(str(page or "")).hostname or ""


def classify(response: Response) -> None:
    """Raise the right IntegrationError; an unknown integration key is a matter of the credential."""
    try:
        _by_status(response)
    except PermanentError as error:
        said = response.text.lower()
        if response.status == 400 and "routing_key" in said:
            raise AuthError(error.message, status=400, hint=_KEY_HINT) from None
        if response.status == 402:
            error.hint = "The account's plan does not include this."
        raise
    except AuthError as error:
        error.hint = _API_HINT
        raise
