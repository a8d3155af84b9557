"""Dockerfile, compose.yaml and the Kubernetes example name only what there is."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from celery.bin.celery import celery
from django.core.management import get_commands
from django.http.request import validate_host
from django.urls import resolve
from granian.cli import cli as granian

from hub.delivery import tasks

ROOT = Path(__file__).resolve().parent.parent.parent
KUBERNETES = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
#: What the settings and the supervisor read.
KNOWN = set(
    re.findall(
        r'"(HUB_[A-Z_]+|DJANGO_SETTINGS_MODULE)"',
        "".join((ROOT / "hub" / name).read_text() for name in ("settings.py", "wsgi.py"))
        + "".join(path.read_text() for path in (ROOT / "hub" / "supervisor").glob("*.py")),
    )
)
#: What only compose.yaml itself reads, out of .env.
COMPOSE_ONLY = {"POSTGRES_PASSWORD", "WORKER_PROCESSES"}


def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def ours() -> dict[str, dict[str, Any]]:
    """The services of compose.yaml that run the hub's image."""
    return {name: each for name, each in compose()["services"].items() if each.get("build")}


def documents() -> list[dict[str, Any]]:
    return [each for path in KUBERNETES for each in yaml.safe_load_all(path.read_text())]


def pods() -> dict[str, dict[str, Any]]:
    """The pod specs of the Kubernetes example, by name of the workload."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in documents()
        if each["kind"] in ("Deployment", "Job")
    }


def named(kind: str, name: str) -> dict[str, Any]:
    return next(each for each in documents() if (each["kind"], each["metadata"]["name"]) == (kind, name))


def commands() -> Iterator[Any]:
    for name, service in ours().items():
        yield pytest.param(shlex.split(re.sub(r"\$\{[^}]*\}", "1", service["command"])), id=f"compose-{name}")
    for name, pod in pods().items():
        yield pytest.param(pod["containers"][0]["command"], id=f"kubernetes-{name}")


@contextmanager
def answering(hosts: list[str]) -> Iterator[int]:
    """A server that answers ``/healthz`` to these hosts, as Django does; yield its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            well = self.path == "/healthz" and validate_host(self.headers["Host"].partition(":")[0], hosts)
            self.send_response(200 if well else 400)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def options_of(command: Any) -> set[str]:
    return {name for param in command.params for name in (*param.opts, *param.secondary_opts)}


@pytest.mark.parametrize("command", list(commands()))
def test_every_command_and_option_exists(command: list[str]) -> None:
    program, *rest = command
    options = {each.partition("=")[0] for each in rest if each.startswith("--")}
    if program == "granian":
        assert options <= options_of(granian)
    elif program == "celery":
        name = next(each for each in rest if each in celery.commands)
        assert options <= options_of(celery) | options_of(celery.commands[name])
    elif rest[0] == "manage.py":
        assert rest[1] in get_commands()
    else:
        assert (program, rest[0]) == ("python", "-m")
        assert importlib.util.find_spec(rest[1])


def test_every_setting_that_is_given_is_one() -> None:
    given = set().union(*(service["environment"] for service in ours().values()))
    for name in ("ConfigMap", "Secret"):
        document = named(name, "interchange")
        given |= set(document.get("data") or document["stringData"])
    asked = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "compose.yaml").read_text()))
    image = set(re.findall(r"\b((?:HUB|DJANGO)_[A-Z_]+)=", (ROOT / "Dockerfile").read_text()))
    assert len(KNOWN) > 20
    assert given | (asked - COMPOSE_ONLY) | image <= KNOWN


def test_what_a_deployed_hub_cannot_do_without_is_given() -> None:
    needed = {"HUB_DATABASE_URL", "HUB_BROKER_URL", "HUB_REDIS_URL", "HUB_ENCRYPTION_KEYS", "HUB_SECRET_KEY"}
    for service in ours().values():
        assert needed <= set(service["environment"])
    assert needed <= set(named("Secret", "interchange")["stringData"])


def test_the_probes_ask_addresses_that_there_are() -> None:
    (web,) = pods()["web"]["containers"]
    asked = [web[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")]
    assert [resolve(path.partition("?")[0]).func.__name__ for path in asked] == [
        "healthz",
        "healthz",
        "readyz",
    ]
    host = web["readinessProbe"]["httpGet"]["httpHeaders"][0]["value"]
    assert host in named("ConfigMap", "interchange")["data"]["HUB_ALLOWED_HOSTS"].split(",")


def test_a_worker_gets_the_time_to_stop_that_it_takes() -> None:
    assert pods()["worker"]["terminationGracePeriodSeconds"] > tasks.STOP_WITHIN
    assert int(ours()["worker"]["stop_grace_period"].removesuffix("s")) > tasks.STOP_WITHIN


@pytest.mark.parametrize("name", sorted(pods()))
def test_pods_run_as_nobody_of_importance(name: str) -> None:
    pod = pods()[name]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
    assert {"requests", "limits"} <= set(container["resources"])


def test_selectors_find_their_pods_and_there_is_one_scheduler() -> None:
    labels = [
        each["spec"]["template"]["metadata"]["labels"] for each in documents() if each["kind"] == "Deployment"
    ]
    for each in documents():
        if each["kind"] == "Service":
            assert each["spec"]["selector"] in labels
        elif each["kind"] in ("Deployment", "PodDisruptionBudget"):
            assert each["spec"]["selector"]["matchLabels"] in labels
    beat = named("Deployment", "beat")["spec"]
    assert (beat["replicas"], beat["strategy"]["type"]) == (1, "Recreate")


class TestDockerfile:
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()

    def test_it_has_stages_and_ends_as_another_user_than_root(self) -> None:
        assert len([line for line in self.lines if line.startswith("FROM ")]) == 2
        users = [line.split()[1] for line in self.lines if line.startswith("USER ")]
        assert users
        assert users[-1].split(":")[0] not in ("root", "0")
        assert any(line.startswith("HEALTHCHECK ") for line in self.lines)

    def test_what_it_copies_is_there_and_not_left_out(self) -> None:
        let_in = {
            line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
        }
        copied = [line.split()[1:-1] for line in self.lines if re.match(r"COPY (?!--from)", line)]
        for source in [each for sources in copied for each in sources]:
            assert (ROOT / source).exists()
            assert source in let_in

    @pytest.mark.parametrize("allowed", [None, "hub.example.com,other.example.com", ".example.com", "*"])
    def test_the_health_check_asks_by_a_name_that_the_hub_answers_to(self, allowed: str | None) -> None:
        with answering(allowed.split(",") if allowed else ["localhost"]) as port:
            assert self.health(port, allowed) == 0
        with answering([]) as port:
            assert self.health(port, allowed) != 0

    def health(self, port: int, allowed: str | None) -> int:
        """Run the command as a container with such settings would; return its exit code."""
        line = next(line for line in self.lines if line.startswith("HEALTHCHECK "))
        program, *rest = json.loads(line[line.index("[") :])
        assert program == "python"
        env = {"PORT": str(port)} | ({"HUB_ALLOWED_HOSTS": allowed} if allowed else {})
        done = subprocess.run([sys.executable, *rest], env=env, capture_output=True, timeout=60)
        return done.returncode

    def test_base_images_are_plain_names(self) -> None:
        images = [line.partition("=")[2] for line in self.lines if line.startswith("ARG PYTHON_IMAGE")]
        images += [each["image"] for each in compose()["services"].values()]
        images += [pod["containers"][0]["image"] for pod in pods().values()]
        assert all(re.fullmatch(r"[a-z]+(:[\w.-]+)?", image) for image in images), images
