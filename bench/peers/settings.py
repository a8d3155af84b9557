"""The hub's settings for peers that use its tables, without the query that checks each connection."""

from typing import Any

from hub import settings as hub

_OWN: dict[str, Any] = {name: getattr(hub, name) for name in dir(hub) if name.isupper()}
globals().update(_OWN)
DATABASES = {"default": {**hub.DATABASES["default"], "CONN_HEALTH_CHECKS": False}}
