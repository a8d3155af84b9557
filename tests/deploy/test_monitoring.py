"""The dashboard and the alerts ask only for what the hub tells, and say what to do."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from hub.accounts.models import Organization
from hub.metrics import collector
from tests.factories import IntegrationFactory

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ALERTS, DASHBOARD = DEPLOY / "prometheus" / "alerts.yml", DEPLOY / "grafana" / "interchange.json"
ALERT_TESTS = ALERTS.with_name("alerts_test.yml")
#: Their words hold a figure that Prometheus extrapolates; that they stay silent is tried.
ONLY_COUNTED = {"InterchangeItemsFailed"}
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def expressions() -> Iterator[str]:
    board = json.loads(DASHBOARD.read_text())
    yield from (target["expr"] for panel in board["panels"] for target in panel["targets"])
    yield from (entry["definition"] for entry in board["templating"]["list"] if "definition" in entry)
    yield from (rule["expr"] for rule in RULES)


@pytest.fixture
def told(db: None) -> dict[str, dict[str, set[str]]]:
    """Every metric's labels and their values, as an integration without any traffic has them."""
    IntegrationFactory(test_ok=True)
    text = collector.exposition(Organization.objects.all()).decode()
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


def test_every_metric_they_name_exists(told: dict[str, Any]) -> None:
    named = {name for text in expressions() for name in re.findall(r"\binterchange_\w+", text)}

    assert len(named) > 15
    assert named - set(told) == set()


def test_every_label_and_state_they_name_exists(told: dict[str, dict[str, set[str]]]) -> None:
    for text in expressions():
        for metric, matchers in re.findall(r"\b(interchange_\w+)\{([^}]*)\}", text):
            for label, value in re.findall(r'(\w+)\s*(?:=~|!=|=)\s*"([^"]*)"', matchers):
                assert label in told[metric], (metric, label)
                known = value.startswith("$") or set(value.split("|")) <= told[metric][label] | {
                    "ok",
                    "active",
                }
                assert known, (metric, label, value)


def test_nothing_the_hub_tells_is_left_out(told: dict[str, Any]) -> None:
    """A metric that neither picture nor alert uses is one that nobody reads."""
    text = " ".join(expressions())
    unused = {name for name in told if not name.endswith("_created") and name not in text}

    assert unused == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_how_bad(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"info", "warning", "critical"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith(".")


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_is_tried_on_series_that_raise_it(rule: dict[str, Any]) -> None:
    tried = [
        check
        for test in yaml.safe_load(ALERT_TESTS.read_text())["tests"]
        for check in test["alert_rule_test"]
        if check["alertname"] == rule["alert"] and check["exp_alerts"]
    ]
    assert tried or rule["alert"] in ONLY_COUNTED


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool comes with Debian's package prometheus")
def test_prometheus_takes_the_rules_and_they_do_what_they_say() -> None:
    for command in (["check", "rules", str(ALERTS)], ["test", "rules", str(ALERT_TESTS)]):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
