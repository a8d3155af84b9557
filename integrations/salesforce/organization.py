"""Which Salesforce organization is connected, and whether its API answers."""

from typing import Any

from integrations.base.errors import IntegrationError, PermanentError
from integrations.base.provider import Context, search
from integrations.base.responses import hinting, json_of
from integrations.base.results import Result

_NAMED = "SELECT Id, Name FROM Organization"
_HINTS = {
    401: "Salesforce refuses the app. Check key, secret and My Domain, and that the flow is enabled.",
    403: "Give the app's run-as user the permission “API Enabled”.",
}


def test_connection(ctx: Context) -> Result:
    """Read the limits, which proves that the API is open to the app, and which organization answers."""
    with hinting(_HINTS):
        said = json_of(ctx.http.get("/limits"))
    if not search("DailyApiRequests", said):
        raise PermanentError(
            "Salesforce answered, but not with its limits.",
            hint="Check My Domain: something else may answer in its place.",
        )
    name, key = _organization(ctx)
    return Result(name, message="The connection works.", account_id=key)


def _organization(ctx: Context) -> tuple[str, str]:
    """Return the name and the id of the organization; "" where the app may see neither.

    The run-as user's profile may keep the object from it; who the user is tells the same id.
    """
    said = _told(ctx, "/query/", params={"q": _NAMED})
    name, key = search("records[0].Name", said), search("records[0].Id", said)
    if not key:
        key = search("organization_id", _told(ctx, "/services/oauth2/userinfo", host="instance"))
    return str(name or key or ""), str(key or "")


def _told(ctx: Context, path: str, **options: Any) -> Any:
    """Return the answer, or None: what is refused here does not make the connection a bad one."""
    try:
        return json_of(ctx.http.get(path, **options))
    except IntegrationError:
        return None
