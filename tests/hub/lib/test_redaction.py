"""Planted secrets must not survive, in whatever form they travel."""

import base64
import json
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.lib.redaction import MASK, Redactor

SECRET = "sk_test_Pl4nted/+=value"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIplantedplantedplanted\nplantedPLANTED==\n-----END PRIVATE KEY-----\n"

secrets_ = st.text(st.characters(exclude_categories=("Cs",), exclude_characters=MASK), min_size=4).filter(
    lambda text: len(text.strip()) >= 4 and text == text.strip() and "\x00" not in text
)
surroundings = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


def forms(secret: str, around: str) -> list[str]:
    """Ways in which a secret may stand in a text."""
    pair = base64.b64encode(f"{around}:{secret}".encode()).decode()
    return [
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret),
        json.dumps(secret, ensure_ascii=False),
        json.dumps(secret).replace("/", "\\/"),
        urlencode({"q": secret}),
        f"Basic {pair}",
        base64.b64encode(secret.encode()).decode(),
        base64.urlsafe_b64encode(f"{around}{secret}{around}".encode()).decode(),
    ]


def holds(text: str, secret: str) -> bool:
    """Whether the secret can be read out of ``text``, also by decoding."""
    inner = base64.b64encode(secret.encode()).decode()[:-4]
    return secret in text or json.dumps(secret)[1:-1] in text or (len(inner) >= 12 and inner in text)


@given(secrets_, surroundings, surroundings)
def test_a_planted_secret_never_survives(secret: str, before: str, after: str) -> None:
    redactor = Redactor([secret])
    for form in forms(secret, before):
        text = f"{before} {form} {after}"
        assert not holds(redactor.text(text), secret)
        assert not holds(redactor.url(f"https://example.com/{form}?a={form}#{form}"), secret)
        assert not holds(" ".join(redactor.headers({"X-Any": form}).values()), secret)
        for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded", ""):
            assert not holds(redactor.body(text.encode(), kind), secret)


@given(secrets_.filter(lambda text: len(text) >= 8), st.integers(0, 200))
def test_a_secret_across_the_cut_does_not_survive_in_part(secret: str, at: int) -> None:
    body = ("." * at + secret + "." * 200).encode()
    shown = Redactor([secret], max_body=100).body(body, "text/plain")
    assert not any(
        secret[:length] in shown.partition("\n[cut off")[0] for length in range(6, len(secret) + 1)
    )


@given(st.binary(max_size=300), st.text(max_size=30))
def test_it_never_raises_and_gives_text_that_every_database_takes(body: bytes, kind: str) -> None:
    redactor = Redactor([SECRET, "", "a", "\ud800\udfff\ud800x"])
    for text in (redactor.body(body, kind), redactor.text(body.decode("latin-1")), redactor.url(kind)):
        text.encode()
        assert "\x00" not in text
    assert redactor.text("\ud800 lone") == "? lone"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Authorization",
            "Proxy-Authorization",
            "Cookie",
            "Set-Cookie",
            "X-Api-Key",
            "api-key",
            "DD-API-KEY",
        ),
        *("X-Shopify-Access-Token", "X-Amz-Security-Token", "Stripe-Signature", "X-Hub-Signature-256"),
        *("webhook-signature", "X-Slack-Signature", "X-Auth-Token", "apikey"),
    ],
)
def test_headers_that_prove_something_are_masked(name: str) -> None:
    assert "planted" not in Redactor().headers({name: "Bearer planted"})[name]


def test_the_scheme_of_an_authorization_stays() -> None:
    assert Redactor().headers({"Authorization": "Basic cGxhbnRlZA=="}) == {"Authorization": f"Basic {MASK}"}


def test_harmless_headers_stay() -> None:
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": "hub_1",
        "anthropic-ratelimit-tokens-remaining": "1000",
        "WWW-Authenticate": 'Bearer realm="x"',
    }
    assert Redactor().headers(headers) == headers


NAMES = [
    *("password", "client_secret", "access_token", "refreshToken", "api_key", "apiKey", "private_key"),
    *(
        "client_assertion",
        "routing_key",
        "Signature",
        "id_token",
        "passphrase",
        "code_verifier",
        "x-secret-thing",
    ),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["planted", 774411, {"inner": "planted"}, ["planted", "774411"]])
def test_json_under_a_secret_name_is_masked(name: str, value: Any) -> None:
    shown = Redactor().body(json.dumps({"a": [{"keep": 1, name: value}]}).encode(), "application/json")
    assert json.loads(shown) == {"a": [{"keep": 1, name: MASK}]}


@pytest.mark.parametrize("name", NAMES)
def test_broken_json_is_masked_too(name: str) -> None:
    shown = Redactor(max_body=40).body(
        f'{{"{name}": "planted", "b": "{"x" * 50}'.encode(), "application/json"
    )
    assert "planted" not in shown
    assert "planted" not in Redactor().body(f'{{"{name}": "plant'.encode(), "application/json")


@pytest.mark.parametrize("name", NAMES)
def test_forms_and_queries_are_masked(name: str) -> None:
    redactor = Redactor()
    assert redactor.body(f"a=1&{name}=planted&b=2".encode(), "application/x-www-form-urlencoded") == (
        f"a=1&{name}={MASK}&b=2"
    )
    assert redactor.body(f"card%5B{name}%5D=planted".encode(), "application/x-www-form-urlencoded") == (
        f"card%5B{name}%5D={MASK}"
    )
    assert redactor.url(f"https://x.example/a?b=2&{name}=planted") == f"https://x.example/a?b=2&{name}={MASK}"


def test_other_kinds_of_bodies_are_masked() -> None:
    redactor = Redactor()
    assert "planted" not in redactor.body(b"<a><wsse:Password T='x'>planted</wsse:Password></a>", "text/xml")
    part = b'--b\r\nContent-Disposition: form-data; name="api_key"\r\n\r\nplanted\r\n--b--\r\n'
    assert "planted" not in redactor.body(part, "multipart/form-data; boundary=b")


def test_a_password_in_a_url_is_masked() -> None:
    assert Redactor().url("https://me:planted@x.example/a") == f"https://{MASK}@x.example/a"


def test_a_secret_url_is_masked_at_the_sandbox_too() -> None:
    redactor = Redactor(["https://hooks.slack.com/services/T000/B000/plantedplanted"])
    assert "planted" not in redactor.url("http://127.0.0.1:8009/slack/services/T000/B000/plantedplanted")


def test_lines_of_a_key_are_masked_alone() -> None:
    redactor = Redactor([PEM])
    assert "planted" not in redactor.text("bad key: MIIplantedplantedplanted")
    assert "planted" not in redactor.body(json.dumps({"detail": PEM}).encode(), "application/json")


def test_what_is_no_secret_stays_as_it_was() -> None:
    body = b'{ "max_tokens": 5, "next_page_token": "abc",\n "error": {"code": "missing", "key": "email"} }'
    assert Redactor([SECRET]).body(body, "application/json") == body.decode()


def test_a_renewed_token_is_masked_from_then_on() -> None:
    redactor = Redactor()
    redactor.add("freshly-planted")
    assert redactor.text("is freshly-planted here") == f"is {MASK} here"


def test_long_bodies_are_cut_with_a_note() -> None:
    shown = Redactor(max_body=10).body(b"x" * 1000, "text/plain")
    assert shown == "xxxxxxxxxx\n[cut off here: 1,000 bytes in all]"


@pytest.mark.parametrize(("body", "kind"), [(b"\x89PNG\r\n\x00", "image/png"), (b"\xff\xfe\x00\x01", "")])
def test_binary_bodies_are_described(body: bytes, kind: str) -> None:
    shown = Redactor().body(body, kind)
    assert str(len(body)) in shown
    assert "not shown" in shown


def test_an_empty_body_is_nothing() -> None:
    assert Redactor().body(b"", "application/json") == ""
