"""boto3's clients of SES and STS, whose requests leave by the hub's own door.

boto3 builds and signs each request (Signature Version 4) and reads the answer; nothing else of it
is used: no retries, no credential search, no environment or configuration files of AWS.
"""

import threading
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import boto3
import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES, ConfigValueStore, ConstantProvider
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from hub.lib.outbound import Response
from integrations.base.errors import (
    AuthError,
    IntegrationError,
    PermanentError,
    RateLimited,
    Rejected,
    TransientError,
)
from integrations.base.http import Outgoing
from integrations.base.provider import Context
from integrations.base.responses import standard_retry_after

_context: ContextVar[Context] = ContextVar("amazon_ses_context")
_making = threading.Lock()

_KEY_HINT = "Enter a valid access key of an IAM user who may use SES."
_RIGHTS_HINT = "Add the SES rights of the instructions to the policy of this IAM user."
_AUTH_HINTS = {
    "InvalidSignatureException": _KEY_HINT,
    "SignatureDoesNotMatch": _KEY_HINT,
    "IncompleteSignature": _KEY_HINT,
    "UnrecognizedClientException": _KEY_HINT,
    "InvalidClientTokenId": _KEY_HINT,
    "MissingAuthenticationToken": _KEY_HINT,
    "ExpiredTokenException": "The session token has expired. Enter new temporary credentials.",
    "ExpiredToken": "The session token has expired. Enter new temporary credentials.",
    "AccessDeniedException": _RIGHTS_HINT,
    "AccessDenied": _RIGHTS_HINT,
}
#: Seconds to wait after the limits of SES, which names none: of the rate, and of the day.
_WAITS = {
    "TooManyRequestsException": 1.0,
    "Throttling": 1.0,
    "ThrottlingException": 1.0,
    "LimitExceededException": 3600.0,
}
#: The account cannot send for now; what waits is not at fault, so it is kept.
_ACCOUNT_HINTS = {
    "SendingPausedException": "Sending is paused. Resume it in the SES console.",
    "AccountSuspendedException": "AWS has stopped this account's sending. Look into the SES console.",
}
_PASSING = frozenset(
    {"ConflictException", "ConcurrentModificationException", "InternalServiceErrorException"}
)
_PERMANENT_HINTS = {
    "MailFromDomainNotVerifiedException": "Verify the MAIL FROM domain in SES, or take it off the identity.",
    "MessageRejected": "In the SES sandbox sender and recipients must be verified.",
}


def call(ctx: Context, operation: str, **parameters: Any) -> dict[str, Any]:
    """Call an operation of the SES API v2 by its name in boto3; return the answer.

    Raises an IntegrationError for anything but success.
    """
    return _call(ctx, "sesv2", "default", operation, parameters)


def account_of_key(ctx: Context) -> str:
    """Return the number of the AWS account that the access key belongs to, or "" where STS does not answer.

    Every key may ask, whatever its policy says.
    """
    try:
        return str(_call(ctx, "sts", "sts", "get_caller_identity", {}).get("Account") or "")
    except IntegrationError:
        # A region or a network without STS sends mail all the same.
        return ""


def _call(
    ctx: Context, service: str, host: str, operation: str, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    secrets = ctx.secrets
    client = _client(
        service,
        str(ctx.settings["region"]),
        ctx.http.base_urls[host],
        str(ctx.settings["access_key_id"]),
        secrets.get("secret_access_key", ""),
        secrets.get("session_token") or None,
    )
    token = _context.set(ctx)
    try:
        answer: dict[str, Any] = getattr(client, operation)(**parameters)
    except ClientError as error:
        raise _integration_error(error.response) from None
    except ParamValidationError as error:
        raise Rejected(f"The message does not fit SES: {error}") from None
    except ResponseParserError:
        # Its message repeats the whole answer.
        raise TransientError(
            "The answer is none that AWS would give; another service may stand there."
        ) from None
    except BotoCoreError as error:
        raise PermanentError(f"The request to SES could not be built: {error}") from None
    finally:
        _context.reset(token)
    return answer


@lru_cache(maxsize=64)
def _client(service: str, region: str, url: str, key: str, secret: str, token: str | None) -> Any:
    """Return a client; making one takes a tenth of a second, so they are kept."""
    with _making:  # A session of boto3 is not safe for threads, a client is.
        client = boto3.Session(botocore_session=_session()).client(
            service,
            region_name=region,
            endpoint_url=url,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1, "mode": "standard"}, parameter_validation=True),
        )
    client.meta.events.register(f"before-send.{service}", _send)
    return client


@lru_cache(maxsize=1)
def _session() -> botocore.session.Session:
    """Return a session that reads neither environment nor files; it keeps the loaded API model."""
    session = botocore.session.Session()
    values = {name: ConstantProvider(entry[2]) for name, entry in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()}
    for name in ("config_file", "credentials_file"):
        values[name] = ConstantProvider("/dev/null")
    session.register_component("config_store", ConfigValueStore(mapping=values))
    return session


def _send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
    """Send what boto3 has signed; its answer keeps boto3 from opening a connection itself."""
    body = request.body.encode() if isinstance(request.body, str) else request.body
    outgoing = Outgoing(request.method, request.url, _headers(request.headers), body or None)
    response = _context.get().http.send_raw(outgoing)
    headers = HTTPHeaders()
    for name, value in response.headers.items():
        headers[name] = value
    return AWSResponse(response.url or request.url, response.status, headers, _Body(response.body))


def _headers(headers: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value.decode() if isinstance(value, bytes) else str(value) for name, value in headers.items()
    }


class _Body:
    """The answer's bytes in the form in which botocore reads them."""

    def __init__(self, content: bytes):
        self._content = content

    def stream(self) -> Iterator[bytes]:
        """Yield everything at once."""
        yield self._content


def _integration_error(response: Mapping[str, Any]) -> IntegrationError:
    error, status = response.get("Error", {}), int(response["ResponseMetadata"]["HTTPStatusCode"])
    code, text = str(error.get("Code", "")), str(error.get("Message") or "").strip()
    name = "" if code == str(status) else f" {code}"
    said = f"SES answered {status}{name}: {text}" if text else f"SES answered {status}{name}."
    if code in _AUTH_HINTS:
        return AuthError(said, hint=_AUTH_HINTS[code], status=status)
    if code in _WAITS or status == 429:
        return RateLimited(said, status=status, retry_after=_wait(response) or _WAITS.get(code, 1.0))
    if code in _ACCOUNT_HINTS:
        return TransientError(said, hint=_ACCOUNT_HINTS[code], status=status, retry_after=3600)
    if code in _PASSING or status >= 500:
        return TransientError(said, status=status, retry_after=_wait(response))
    if status in (401, 403):
        return AuthError(said, hint=_KEY_HINT, status=status)
    return PermanentError(said, hint=_PERMANENT_HINTS.get(code, ""), status=status)


def _wait(response: Mapping[str, Any]) -> float | None:
    """Seconds from Retry-After, which SES itself does not send, but what stands before it may."""
    headers = response["ResponseMetadata"].get("HTTPHeaders") or {}
    return standard_retry_after(Response(0, {name.lower(): value for name, value in headers.items()}))


def forget() -> None:
    """Drop every kept client."""
    _client.cache_clear()
    _session.cache_clear()
