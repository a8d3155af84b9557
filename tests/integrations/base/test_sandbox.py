"""The sandbox plays every provider, remembers what it got, and fails when told to."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from hub.lib.outbound import Policy
from integrations.base.fixtures import Request, canned_answers, fixture_transport
from integrations.base.http import Outgoing
from integrations.base.registry import providers
from integrations.base.sandbox import KEEP, Failure, Sandbox
from tests.playing import playing


@pytest.fixture
def sandbox() -> Iterator[str]:
    with playing() as (_, address):
        yield address


def trigger(base: str, key: str = "k1") -> requests.Response:
    event = {"routing_key": "x" * 32, "event_action": "trigger", "dedup_key": key}
    return requests.post(f"{base}/pagerduty/v2/enqueue", json=event, timeout=5)


def test_it_answers_from_the_fixtures_and_remembers(sandbox: str) -> None:
    answer = trigger(sandbox, "order/17")
    assert (answer.status_code, answer.json()["dedup_key"]) == (202, "order/17")
    [got] = requests.get(f"{sandbox}/__requests__", timeout=5).json()
    assert (got["slug"], got["method"], got["path"], got["status"]) == (
        "pagerduty",
        "POST",
        "/v2/enqueue",
        202,
    )
    assert json.loads(got["body"])["dedup_key"] == "order/17"
    assert got["headers"]["content-type"] == "application/json"
    requests.delete(f"{sandbox}/__requests__", timeout=5)
    assert requests.get(f"{sandbox}/__requests__", timeout=5).json() == []


def test_the_newest_request_stands_first(sandbox: str) -> None:
    for key in "abc":
        trigger(sandbox, key)
    listed = requests.get(
        f"{sandbox}/__requests__", params={"limit": 2, "slug": "pagerduty"}, timeout=5
    ).json()
    assert [json.loads(one["body"])["dedup_key"] for one in listed] == ["c", "b"]
    assert requests.get(f"{sandbox}/__requests__", params={"slug": "http"}, timeout=5).json() == []


def test_the_generic_endpoint_takes_any_path_and_method(sandbox: str) -> None:
    for method in ("POST", "PUT", "PATCH"):
        answer = requests.request(method, f"{sandbox}/http/any/where?x=1", data=b"{}", timeout=5)
        assert answer.status_code == 200


def test_failures_are_scripted_and_used_up(sandbox: str) -> None:
    script = {"slug": "pagerduty", "status": 429, "times": 2, "headers": {"Retry-After": "3"}}
    assert requests.post(f"{sandbox}/__fail__", json=script, timeout=5).status_code == 200
    answers = [trigger(sandbox) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 202]
    assert answers[0].headers["Retry-After"] == "3"


def test_a_failure_may_be_of_one_path_and_be_taken_back(sandbox: str) -> None:
    script = {"slug": "pagerduty", "status": 503, "times": 9, "path": "/change/"}
    requests.post(f"{sandbox}/__fail__", json=script, timeout=5)
    assert trigger(sandbox).status_code == 202
    assert requests.post(f"{sandbox}/pagerduty/v2/change/enqueue", json={}, timeout=5).status_code == 503
    requests.post(f"{sandbox}/__fail__", json=script | {"times": 0}, timeout=5)
    assert requests.post(f"{sandbox}/pagerduty/v2/change/enqueue", json={}, timeout=5).status_code == 202


@pytest.mark.parametrize(
    "script", [{}, [], "x", {"slug": "http", "status": "x"}, {"slug": "http", "nonsense": 1}]
)
def test_a_malformed_script_is_refused(sandbox: str, script: object) -> None:
    answer = requests.post(f"{sandbox}/__fail__", json=script, timeout=5)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")


def test_an_unknown_path_names_the_known_ones(sandbox: str) -> None:
    problem = requests.get(f"{sandbox}/pagerduty/nonsense", timeout=5).json()
    assert problem["status"] == 404
    assert "POST /v2/enqueue" in problem["known_paths"]
    problem = requests.get(f"{sandbox}/nonsense/x", timeout=5).json()
    assert "pagerduty" in problem["providers"]


def test_the_page_shows_what_came_and_runs_no_script(sandbox: str) -> None:
    trigger(sandbox, "<script>alert(1)</script>")
    page = requests.get(sandbox, timeout=5)
    assert "PagerDuty" in page.text
    assert "POST /v2/enqueue" in page.text
    assert "<script>" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "Nothing yet" in requests.get(f"{sandbox}/?slug=http", timeout=5).text


def test_only_the_latest_are_kept() -> None:
    sandbox = Sandbox()
    for number in range(KEEP + 5):
        sandbox.answer(Request("POST", f"/http/{number}"))
    assert len(sandbox.received) == KEEP
    assert sandbox.received[0].path == f"/{KEEP + 4}"


def test_parallel_requests_use_a_failure_up_exactly() -> None:
    sandbox = Sandbox()
    sandbox.fail(Failure("http", 500, times=10))
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(sandbox.answer(Request("POST", "/http/x")).status))
        for _ in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 30 + [500] * 10


def test_it_needs_no_django() -> None:
    code = "import sys, integrations.base.sandbox as s; s.Sandbox(); assert 'django' not in sys.modules"
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_taken_port_is_said_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "integrations.base.sandbox", "--port", port]
        root = Path(__file__).resolve().parents[3]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    assert "cannot listen" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_preview_answers_in_this_process() -> None:
    provider = providers()["pagerduty"]
    transport = fixture_transport(provider)
    headers = {"Content-Type": "application/json"}
    body = b'{"event_action":"resolve","dedup_key":"k"}'
    answer = transport(Outgoing("POST", "https://events.pagerduty.com/v2/enqueue", headers, body), Policy())
    assert answer.json()["dedup_key"] == "k"
    assert transport(Outgoing("GET", "https://events.pagerduty.com/x", {}), Policy()).status == 404


@pytest.mark.parametrize("slug", sorted(providers()))
def test_every_provider_can_be_played(slug: str) -> None:
    assert canned_answers(providers()[slug])
