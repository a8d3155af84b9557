"""Performs a provider's declared connection test."""

from dataclasses import replace

from hub.lib.outbound import Response
from integrations.base.errors import IntegrationError, PermanentError
from integrations.base.provider import ConnectionTest, Context, Provider, search
from integrations.base.responses import json_of
from integrations.base.results import Result


def prove(provider: Provider, auth_key: str, ctx: Context) -> Result:
    """Send the one harmless request that proves address and credential.

    ``external_id`` of the result is the label of the connected account, where the test names one, and
    ``account_id`` what tells it from another one. Raises an IntegrationError whose hint says what to do.
    """
    test = provider.connection_test(auth_key)
    result = _perform(provider, test, ctx) if isinstance(test, ConnectionTest) else test(ctx)
    account_of = provider.scheme(auth_key).account_of
    if result.account_id or account_of is None:
        return result
    return replace(result, account_id=account_of(ctx.settings))


def _perform(provider: Provider, test: ConnectionTest, ctx: Context) -> Result:
    response = ctx.http.request(
        test.method,
        test.path,
        host=test.host,
        params=test.params,
        json=test.json,
        headers=test.headers,
        check=False,
    )
    if response.status in test.ok_status and test.ok_body in response.text:
        return Result(
            external_id=_read(test.account, response),
            message="The connection works.",
            account_id=_read(test.identity, response),
        )
    hint = test.hints.get(response.status, "")
    try:
        provider.classify(response)
    except IntegrationError as error:
        error.hint = hint or error.hint
        raise
    raise PermanentError(
        f"{provider.name} answered {response.status}, but not with what is expected there.",
        hint=hint or "Check the address: something else may answer in its place.",
        status=response.status,
    )


def _read(expression: str, response: Response) -> str:
    found = search(expression, json_of(response)) if expression else None
    return "" if found is None else str(found)
