"""The hub's own log lines: what they carry, and what they never show."""

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from hub.lib import logs
from hub.lib.redaction import Redactor

ROOT = Path(__file__).parents[3]
SECRET = "xoxb-0000-not-a-real-token"


def record(message: str, *args: object, **fields: object) -> logging.LogRecord:
    made = logging.getLogger("hub.test").makeRecord("hub.test", logging.INFO, "x.py", 1, message, args, None)
    made.__dict__.update(fields)
    return made


def as_json(made: logging.LogRecord) -> dict[str, object]:
    return json.loads(logs.JsonFormatter().format(made))


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch):
    monkeypatch.setattr(logs, "process_facts", {})


def test_a_json_line_says_when_who_and_what():
    line = as_json(record("%d items", 3))
    assert (line["message"], line["level"], line["logger"]) == ("3 items", "info", "hub.test")
    assert str(line["time"]).endswith("+00:00")


def test_lines_carry_what_the_code_is_at_work_on_inner_scopes_first():
    logs.process_facts["worker"] = "host:1"
    outer = logs.enter(lambda: {"request_id": "r-1", "event": "outer"})
    inner = logs.enter(lambda: {"event": "inner", "item": "i-1"})
    line = as_json(record("hello", facts={"outcome": "ok", "duration_ms": 4}))
    logs.leave(inner)
    after = as_json(record("hello"))
    logs.leave(outer)

    assert (line["request_id"], line["event"], line["item"]) == ("r-1", "inner", "i-1")
    assert (line["outcome"], line["duration_ms"], line["worker"]) == ("ok", 4, "host:1")
    assert after["event"] == "outer"
    assert "event" not in as_json(record("hello"))


def test_a_line_for_people_ends_with_the_ids():
    token = logs.enter(lambda: {"item": "i-1"})
    text = logs.LineFormatter("%(message)s").format(record("It failed"))
    logs.leave(token)
    assert text == "It failed [item=i-1]"
    assert logs.LineFormatter("%(message)s").format(record("It failed")) == "It failed"


@pytest.mark.parametrize("formatter", [logs.JsonFormatter(), logs.LineFormatter("%(message)s")])
def test_the_secrets_of_the_integration_at_work_are_masked_also_in_tracebacks(formatter):
    token = logs.enter(dict, Redactor([SECRET]).text)
    try:
        raise ValueError(f"refused {SECRET}")
    except ValueError:
        made = record("A library says %s", SECRET, exc_info=sys.exc_info())
    text = formatter.format(made)
    logs.leave(token)
    assert SECRET not in text
    assert "ValueError" in text


@pytest.mark.parametrize(
    "text",
    [
        "GET https://hooks.example.com/x?token=abcdef123456 failed",
        "amqp://hub:abcdef123456@rabbit/ refused",
        "sent Authorization: Bearer abcdef123456",
        "key ick_pub_abcdef123456",
    ],
)
def test_what_looks_like_a_secret_is_masked_without_knowing_it(text):
    assert "abcdef123456" not in str(as_json(record(text))["message"])


def test_the_hubs_own_secrets_are_masked(settings):
    settings.SECRET_KEY = "a-key-that-nobody-else-has"
    settings.DATABASES["default"]["PASSWORD"] = "pass word"
    line = as_json(record("a-key-that-nobody-else-has, pass word, %s", settings.HUB.encryption_keys[0]))
    settings.DATABASES["default"]["PASSWORD"] = ""
    assert str(line["message"]).count("•••") == 3


def test_an_unknown_form_is_refused_with_the_choices():
    with pytest.raises(ImproperlyConfigured, match="lines or json"):
        logs.logging_config("xml", "info", False)


def test_traffic_is_told_only_when_asked_for():
    quiet, told = (logs.logging_config("json", "INFO", wanted)["loggers"] for wanted in (False, True))
    assert quiet["hub.traffic"]["level"] == "WARNING"
    assert told["hub.traffic"]["level"] == "INFO"


def test_an_error_is_told_to_the_log_alone(settings: Any) -> None:
    """Trackers and mails take the values of every frame along, secrets in the clear among them."""
    assert list(settings.ADMINS) == []
    for form in logs.FORMATS:
        config = logs.logging_config(form, "INFO", True)
        assert set(config["handlers"]) == {"console"}
        assert config["handlers"]["console"]["class"] == "logging.StreamHandler"
    lock = (ROOT / "requirements.lock").read_text()
    assert not [name for name in ("sentry-sdk", "rollbar", "bugsnag", "newrelic") if f"\n{name}==" in lock]
