"""What browsers are told: nothing from elsewhere, in no frame, over TLS only where there is TLS."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from hub.lib.keyring import new_key
from tests.hub.dashboard.world import World
from tests.security.addresses import plain_pages

ROOT = Path(__file__).parents[2]
PRODUCTION = {
    "HUB_URL": "https://hub.example.com",
    "HUB_ALLOWED_HOSTS": "hub.example.com",
    "HUB_DEBUG": "0",
    "DJANGO_SETTINGS_MODULE": "hub.settings",
}
SCRIPT = "from django.conf import settings as s; print(*(getattr(s, n) for n in {names!r}))"


def run(tmp_path: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the folder of the project as in production."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HUB_")},
        **PRODUCTION,
        "HUB_HOME": str(tmp_path),
        "HUB_SECRET_KEY": new_key() + new_key(),
        "HUB_ENCRYPTION_KEYS": new_key(),
        **extra,
    }
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def directives(answer: Any) -> dict[str, list[str]]:
    """The answer's policy by directive."""
    parts = [part.split() for part in answer.headers["Content-Security-Policy"].split(";")]
    return {part[0]: part[1:] for part in parts}


def test_every_page_runs_only_its_own_scripts_and_stands_in_no_frame(world: World) -> None:
    client = world.client("admin")
    for address in [*plain_pages(), *(world.page(name) for name in world.rows)]:
        answer = client.get(address)
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            policy = directives(answer)
            assert policy["default-src"] == ["'none'"], address
            assert policy["script-src"] == ["'self'", "'unsafe-eval'"], address
            assert policy["frame-ancestors"] == ["'none'"], address
            assert answer.headers["X-Frame-Options"] == "DENY"
            _nothing_inline(answer.text, address)


def _nothing_inline(text: str, address: str) -> None:
    """No script stands in the page itself: the policy would keep it from running."""
    for part in text.split("<script")[1:]:
        head = part.partition(">")[0]
        assert "src=" in head or "application/json" in head, f"{address}: <script{head}>"
    for attribute in (" onclick=", " onload=", " onsubmit=", " onchange=", "javascript:"):
        assert attribute not in text, f"{address}: {attribute}"


def test_the_interactive_documentation_has_no_inline_script() -> None:
    answer = Client().get(reverse("api-docs"))
    assert directives(answer)["script-src"][0] == "'self'"
    _nothing_inline(answer.text, "/api/docs")
    script = Client().get(reverse("api-docs"), {"script": ""})
    assert "javascript" in script.headers["Content-Type"]


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/api/events", "/healthz", "/api/nothing-here", "/admin/login/"])
def test_every_answer_has_the_headers(address: str) -> None:
    headers = Client().get(address).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "Strict-Transport-Security" not in headers


def test_hsts_where_the_hub_is_at_https(settings: Any) -> None:
    settings.SECURE_HSTS_SECONDS = 31_536_000
    assert Client().get("/healthz").headers["Strict-Transport-Security"] == "max-age=31536000"


def test_check_deploy_finds_nothing_in_production(tmp_path: Path) -> None:
    done = run(tmp_path, "manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("url", "secure"), [("https://hub.example.com", "True"), ("http://hub", "False")])
def test_cookies_are_for_tls_only_where_there_is_tls(tmp_path: Path, url: str, secure: str) -> None:
    names = ["SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY"]
    done = run(tmp_path, "-c", SCRIPT.format(names=names), HUB_URL=url)
    assert done.stdout.split() == [secure, secure, "True"], done.stderr


def test_a_foreign_host_header_is_refused(db: None) -> None:
    assert Client().get("/admin/login/", headers={"host": "evil.example.com"}).status_code == 400


def test_a_form_without_its_token_is_refused(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.users["admin"])
    assert client.post(world.deed("integration", "pause")).status_code == 403
