"""Django's cache in Redis, which may be away: then this process remembers for itself."""

import logging
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

from hub.lib.shared import Absence, patience

logger = logging.getLogger(__name__)


class PatientCache(RedisCache):
    """Redis, asked for a second at most; while it does not answer, memory. ``LOCATION``: its URL."""

    def __init__(self, server: str, params: dict[str, Any]):
        super().__init__(server, {**params, "OPTIONS": {**params.get("OPTIONS", {}), **patience()}})
        self._near = LocMemCache("patient", {})
        self._away = Absence()

    def add(self, *args: Any, **options: Any) -> bool:
        return bool(self._either("add", *args, **options))

    def get(self, *args: Any, **options: Any) -> Any:
        return self._either("get", *args, **options)

    def set(self, *args: Any, **options: Any) -> None:
        self._either("set", *args, **options)

    def delete(self, *args: Any, **options: Any) -> bool:
        return bool(self._either("delete", *args, **options))

    def _either(self, name: str, *args: Any, **options: Any) -> Any:
        far: Callable[..., Any] = getattr(super(), name)
        if not self._away.lasts():
            try:
                answer = far(*args, **options)
            except RedisError as error:
                self._away.begin()
                logger.warning("The cache is kept in memory, because Redis does not answer: %s", error)
            else:
                self._away.end()
                return answer
        return getattr(self._near, name)(*args, **options)
