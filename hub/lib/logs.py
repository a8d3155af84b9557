"""The hub's own log: lines for people or JSON for machines, with what each line is about, masked.

Code says once what it is at work on (``enter``: a request, a delivery) and every line written
meanwhile carries those ids, also lines of libraries. It costs next to nothing where no line is
written: facts are asked for only then.
"""

import logging
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import orjson
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from hub.lib.redaction import MASK, Redactor

FORMATS = ("lines", "json")
#: One line per accepted event and per attempt, where ``HUB_LOG_TRAFFIC`` asks for them.
traffic = logging.getLogger("hub.traffic")
#: What every line of this process carries, such as the worker's name.
process_facts: dict[str, str] = {}

_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>]+", re.IGNORECASE)
_CREDENTIAL = re.compile(r"\b(Bearer|Basic|Token)(\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_API_KEY = re.compile(r"\bick_[A-Za-z0-9]+_[A-Za-z0-9_-]+")


class _Scope(NamedTuple):
    """What the code of this context is at work on, within another scope or None."""

    facts: Callable[[], Mapping[str, str]]
    mask: Callable[[str], str] | None
    outer: "_Scope | None"


_scope: ContextVar[_Scope | None] = ContextVar("hub_log_scope", default=None)


def enter(
    facts: Callable[[], Mapping[str, str]], mask: Callable[[str], str] | None = None
) -> Token[_Scope | None]:
    """Let lines from here on carry ``facts()`` and be masked by ``mask``; give the token to ``leave``."""
    return _scope.set(_Scope(facts, mask, _scope.get()))


def leave(token: Token[_Scope | None]) -> None:
    """End what ``enter`` began."""
    _scope.reset(token)


def current_facts() -> dict[str, str]:
    """Return what a line written here would carry; inner scopes win."""
    found: dict[str, str] = {}
    scope = _scope.get()
    while scope is not None:
        found = {**scope.facts(), **found}
        scope = scope.outer
    return {**process_facts, **found}


class _Masking(logging.Formatter):
    """A formatter that lets no secret pass: the hub's own, the integration's at work, what looks like one."""

    _own: Redactor | None = None

    def masked(self, text: str) -> str:
        """Return ``text`` without secrets."""
        if self._own is None:
            self._own = Redactor(_secrets())
        text = self._own.text(text)
        scope = _scope.get()
        while scope is not None:
            text = scope.mask(text) if scope.mask else text
            scope = scope.outer
        if "://" in text:
            text = _URL.sub(lambda found: _plain.url(found.group()), text)
        return _API_KEY.sub(f"ick_{MASK}", _CREDENTIAL.sub(rf"\1\2{MASK}", text))

    def facts(self, record: logging.LogRecord) -> dict[str, Any]:
        """Return what the line carries: of the context, and given with it as ``extra={"facts": {…}}``."""
        return {**current_facts(), **getattr(record, "facts", {})}


class LineFormatter(_Masking):
    """``time LEVEL logger message [item=… event=…]``, and a traceback below it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the first line."""
        told = " ".join(f"{name}={value}" for name, value in self.facts(record).items() if name != "worker")
        return super().formatMessage(record) + (f" [{told}]" if told else "")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, masked."""
        return self.masked(super().format(record))


class JsonFormatter(_Masking):
    """One JSON object a line: time, level, logger, message, the facts, and exception where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, masked."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.masked(record.getMessage()),
            "process": record.process,
            "thread": record.threadName,
        }
        line |= {
            name: self.masked(value) if isinstance(value, str) else value
            for name, value in self.facts(record).items()
        }
        if record.exc_info:
            line["exception"] = self.masked(self.formatException(record.exc_info))
        return orjson.dumps(line, default=str).decode()


_plain = Redactor()


def _secrets() -> list[str]:
    """Return the hub's own secrets: no line may hold one, whoever writes it."""
    hub = settings.HUB
    passwords = [
        settings.DATABASES["default"].get("PASSWORD"),
        settings.EMAIL_HOST_PASSWORD,
        *(urlsplit(url).password for url in (hub.broker_url, hub.redis_url) if url),
    ]
    plain = [text for password in passwords if password for text in {password, unquote(password)}]
    return [settings.SECRET_KEY, *hub.encryption_keys, *plain]


def logging_config(form: str, level: str, with_traffic: bool) -> dict[str, Any]:
    """Return Django's ``LOGGING``; raise ImproperlyConfigured for a form that there is not."""
    if form not in FORMATS:
        raise ImproperlyConfigured(f"HUB_LOG_FORMAT is {form!r}; it may be {' or '.join(FORMATS)}.")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "lines": {
                "()": "hub.lib.logs.LineFormatter",
                "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
            },
            "json": {"()": "hub.lib.logs.JsonFormatter"},
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": form}},
        "root": {"handlers": ["console"], "level": level.upper()},
        "loggers": {
            "django.server": {"level": "WARNING"},
            "django.request": {"level": "ERROR"},
            # At the level of INFO a library may speak of every connection.
            "urllib3": {"level": "WARNING"},
            "hub.traffic": {"level": "INFO" if with_traffic else "WARNING"},
        },
    }
