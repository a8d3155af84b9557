"""The sandbox's side of a sign-in: it asks, and checks what a provider checks."""

import base64
import hashlib
from urllib.parse import parse_qs, urlencode, urlsplit

from hub.lib.outbound import Response
from integrations.base.fixtures import Request
from integrations.base.sandbox import Sandbox

BACK = "https://hub.example.com/callback/"
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED = {
    "client_id": "<app>",
    "redirect_uri": BACK,
    "state": "s1",
    "scope": "oauth",
    "code_challenge": CHALLENGE,
}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def post(sandbox: Sandbox, path: str, form: dict[str, str], query: dict[str, str] | None = None) -> Response:
    return sandbox.answer(Request("POST", f"/hubspot{path}", query or {}, FORM, urlencode(form).encode()))


def back(answer: Response) -> dict[str, list[str]]:
    assert answer.status == 302
    assert answer.headers["location"].startswith(BACK)
    return parse_qs(urlsplit(answer.headers["location"]).query)


def token(sandbox: Sandbox, code: str, **changed: str) -> Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
    return post(sandbox, "/oauth/v3/token", form | changed)


def allowed(sandbox: Sandbox) -> str:
    return back(post(sandbox, "/oauth/authorize", {"decision": "allow"}, ASKED))["code"][0]


def test_it_asks_and_says_what_for_without_running_what_it_was_sent() -> None:
    page = Sandbox().answer(Request("GET", "/hubspot/oauth/authorize", ASKED))
    assert page.status == 200
    assert "HubSpot (sandbox)" in page.body.decode()
    assert "&lt;app&gt;" in page.body.decode()


def test_a_code_is_good_for_tokens_once() -> None:
    sandbox = Sandbox()
    code = allowed(sandbox)
    given = token(sandbox, code).json()
    assert given["access_token"]
    assert given["refresh_token"]
    assert given["hub_id"] == 14400000
    again = token(sandbox, code)
    assert (again.status, again.json()["error"]) == (400, "invalid_grant")


def test_a_wrong_verifier_or_address_gets_nothing() -> None:
    sandbox = Sandbox()
    assert token(sandbox, allowed(sandbox), code_verifier="x" * 50).status == 400
    assert token(sandbox, allowed(sandbox), redirect_uri="https://elsewhere.example/").status == 400


def test_no_is_an_answer_too() -> None:
    said = back(post(Sandbox(), "/oauth/authorize", {"decision": "deny"}, ASKED))
    assert said["error"] == ["access_denied"]
    assert said["state"] == ["s1"]


def test_an_address_that_is_none_is_not_followed() -> None:
    wrong = {**ASKED, "redirect_uri": "javascript:alert(1)"}
    assert post(Sandbox(), "/oauth/authorize", {"decision": "allow"}, wrong).status == 400


def test_a_refresh_gives_another_token() -> None:
    sandbox = Sandbox()
    form = {"grant_type": "refresh_token", "refresh_token": "old"}
    first, second = (post(sandbox, "/oauth/v3/token", form).json() for _ in range(2))
    assert first["access_token"] != second["access_token"]
