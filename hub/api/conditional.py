"""``ETag`` and ``If-Match`` (RFC 9110 §8.8, §13.1): nobody overwrites what somebody else has changed.

The tag is made of what the API shows of a thing, so that it is the same however the thing was
changed: here, in the admin, or by a configuration file.
"""

import hashlib
import json
import re
from typing import Any

from rest_framework.request import Request

from hub.api.problems import Precondition

_TAG = re.compile(r'\s*(?:W/)?"[\x21\x23-\x7e]*"\s*')


def etag(shown: Any) -> str:
    """Return the strong tag of what the API shows."""
    # Not orjson, which takes no whole number past 64 bits: somebody's mapping may hold one.
    text = json.dumps(shown, sort_keys=True, default=str)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def require_match(request: Request, shown: Any, *, needed: bool = True) -> None:
    """Raise Precondition unless the caller names the present version, or ``*`` for whichever it is.

    ``needed``: whether it has to name one at all.
    """
    named = request.META.get("HTTP_IF_MATCH")
    if named is None and not needed:
        return
    given = (named or "").strip()
    if not given and needed:
        raise Precondition(428, "Send If-Match with the ETag that you read, or * for whatever is there.")
    if given == "*":
        return
    if not all(_TAG.fullmatch(tag) for tag in given.split(",")):
        raise Precondition(412, "If-Match holds no ETag; send it in quotes, as it was given.")
    if etag(shown) not in {tag.strip() for tag in given.split(",")}:
        raise Precondition(412, "It was changed since you read it: read it again, and change that.")
