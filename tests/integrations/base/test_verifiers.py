"""Webhook calls are proved over raw bytes; whatever else comes is refused with a sentence."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
import stripe
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from sendgrid.helpers.eventwebhook import EventWebhook
from slack_sdk.signature import SignatureVerifier

from integrations.base import verifiers
from integrations.base.webhooks import Incoming, Refused

NOW = datetime.fromtimestamp(1600112510, UTC)
BODY = '{"name":"Ada ✓"}'.encode()
SECRET = "whsec_test_secret"


def incoming(body: bytes = b"", headers: Mapping[str, str] | None = None) -> Incoming:
    return Incoming("POST", "https://hub.example.com/webhooks/x", headers or {}, body, NOW)


class TestTimestamped:
    # From stripe-python's tests/test_webhook.py.
    PAYLOAD = (
        b'{\n  "id": "evt_test_webhook",\n  "object": "event",\n'
        b'  "data": { "object": { "id": "rdr_123", "object": "terminal.reader" } }\n}'
    )
    HEADER = "t=1492774577,v1=d21d91b425674689e03346536b8fec6384a8721d43ebe269a1689a3ad22cba9c"
    THEN = datetime.fromtimestamp(1492774577, UTC)

    def test_published_vector(self) -> None:
        assert verifiers.sign_timestamped(self.PAYLOAD, SECRET, self.THEN) == self.HEADER
        verifiers.verify_timestamped(self.HEADER, self.PAYLOAD, SECRET, self.THEN)

    def test_the_sdk_accepts_what_we_sign(self) -> None:
        header = verifiers.sign_timestamped(BODY, SECRET, datetime.now(UTC))
        assert stripe.WebhookSignature.verify_header(BODY.decode(), header, SECRET, tolerance=60)

    @pytest.mark.parametrize("seconds", [-300, 0, 300])
    def test_tolerance_holds_both_ways(self, seconds: int) -> None:
        verifiers.verify_timestamped(
            self.HEADER, self.PAYLOAD, SECRET, self.THEN + timedelta(seconds=seconds)
        )
        further = self.THEN + timedelta(seconds=301 if seconds >= 0 else -301)
        with pytest.raises(Refused, match="replay"):
            verifiers.verify_timestamped(self.HEADER, self.PAYLOAD, SECRET, further)

    def test_one_of_several_signatures_is_enough(self) -> None:
        right = self.HEADER.split("v1=")[1]
        rolled = f"t=1492774577,v0=00,v1={'0' * 64},v1={right}"
        verifiers.verify_timestamped(rolled, self.PAYLOAD, SECRET, self.THEN)

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "t=1",
            "v1=aa",
            "t=,v1=",
            "t=x,v1=aa",
            "t=1,t=2,v1=aa",
            "t=-5,v1=aa",
            "t=٣,v1=aa",
            "t=" + "9" * 400,
        ],
    )
    def test_malformed_headers_are_refused(self, header: str) -> None:
        with pytest.raises(Refused):
            verifiers.verify_timestamped(header, self.PAYLOAD, SECRET, self.THEN)


class TestVersioned:
    def test_vector(self) -> None:
        body, signature = (
            b'{"event":{"id":"1"}}',
            "v1=48d81370ec6ccdc9063618a09b47622f60e66c78134001af266c81b82b43acc7",
        )
        assert verifiers.sign_versioned(body, "pd-secret") == signature
        verifiers.verify_versioned(f"v2=ff,v1=00, {signature}", body, "pd-secret")
        with pytest.raises(Refused, match="does not fit"):
            verifiers.verify_versioned(signature, body + b" ", "pd-secret")
        with pytest.raises(Refused, match="needs a v1="):
            verifiers.verify_versioned("v2=ff", body, "pd-secret")


class TestHmac:
    def test_slack_form_agrees_with_the_sdk(self) -> None:
        message = b"v0:1531420618:" + BODY
        ours = verifiers.sign_hmac("8f742231b10e8888abcd99yyyzzz85a5", message, prefix="v0=")
        theirs = SignatureVerifier("8f742231b10e8888abcd99yyyzzz85a5").generate_signature(
            timestamp="1531420618", body=BODY
        )
        assert ours == theirs
        verifiers.verify_hmac("8f742231b10e8888abcd99yyyzzz85a5", message, [ours], prefix="v0=")

    def test_hubspot_form_has_the_published_value(self) -> None:
        message = b"POSThttps://www.example.com/webhook_uri{'example_field':'example_value'}1693657560000"
        signature = verifiers.sign_hmac("yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy", message, encoding="base64")
        assert signature == "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="

    def test_an_empty_secret_proves_nothing(self) -> None:
        with pytest.raises(Refused, match="No signing secret"):
            verifiers.verify_hmac("", b"x", [verifiers.hmac_hex("", b"x")])

    @given(st.lists(st.text(max_size=70), max_size=4))
    def test_no_rubbish_fits_or_crashes(self, signatures: list[str]) -> None:
        with pytest.raises(Refused):
            verifiers.verify_hmac("secret", b"body", signatures)


class TestEcdsa:
    # From sendgrid-python's test/unit/test_eventwebhook.py.
    KEY = (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfS"
        "mpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
    )
    SIGNATURE = (
        "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
    )
    EVENT = (
        b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
        b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
        b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
        b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
    )

    def test_published_vector(self) -> None:
        verifiers.verify_ecdsa(self.KEY, self.SIGNATURE, b"1600112502" + self.EVENT)
        pem = f"-----BEGIN PUBLIC KEY-----\n{self.KEY[:64]}\n{self.KEY[64:]}\n-----END PUBLIC KEY-----\n"
        verifiers.verify_ecdsa(pem, self.SIGNATURE, b"1600112502" + self.EVENT)

    def test_the_sdk_accepts_what_we_sign(self) -> None:
        key = verifiers.sandbox_ecdsa_key("test")
        public = verifiers.public_key_base64(key)
        signature = verifiers.sign_ecdsa(key, b"1600112502" + BODY)
        sdk = EventWebhook(public)
        assert sdk.verify_signature(BODY.decode(), signature, "1600112502")

    @pytest.mark.parametrize("signature", ["", "x", "AAAA", "é", SIGNATURE[:-4]])
    def test_other_signatures_are_refused(self, signature: str) -> None:
        with pytest.raises(Refused):
            verifiers.verify_ecdsa(self.KEY, signature, b"1600112502" + self.EVENT)

    @pytest.mark.parametrize("key", ["", "x", "AAAA", "no key at all", KEY[:-8]])
    def test_a_wrong_key_is_said_so(self, key: str) -> None:
        with pytest.raises(Refused, match="key"):
            verifiers.verify_ecdsa(key, self.SIGNATURE, b"1600112502" + self.EVENT)


class TestCertificate:
    @pytest.fixture
    def key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(65537, 2048)

    @pytest.fixture
    def certificate(self, key: rsa.RSAPrivateKey) -> bytes:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.example.com")])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
        builder = builder.public_key(key.public_key()).serial_number(1)
        builder = builder.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
        return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def test_both_digests(self, key: rsa.RSAPrivateKey, certificate: bytes) -> None:
        verifiers.verify_rsa_cert(certificate, verifiers.sign_rsa(key, BODY), BODY)
        old = base64.b64encode(key.sign(BODY, padding.PKCS1v15(), hashes.SHA1())).decode()
        verifiers.verify_rsa_cert(certificate, old, BODY, digest="sha1")
        with pytest.raises(Refused, match="does not fit"):
            verifiers.verify_rsa_cert(certificate, old, BODY)

    def test_rubbish_is_refused(self, key: rsa.RSAPrivateKey, certificate: bytes) -> None:
        with pytest.raises(Refused, match="could not be read"):
            verifiers.verify_rsa_cert(b"<html>", verifiers.sign_rsa(key, BODY), BODY)
        with pytest.raises(Refused, match="base64"):
            verifiers.verify_rsa_cert(certificate, "***", BODY)


class TestUrl:
    PATTERN = r"sns\.[a-zA-Z0-9-]{3,}\.amazonaws\.com(\.cn)?"

    def test_the_providers_own_address(self) -> None:
        verifiers.check_url("https://sns.eu-west-1.amazonaws.com/x.pem", self.PATTERN, path_suffix=".pem")

    @pytest.mark.parametrize(
        "url",
        [
            "http://sns.eu-west-1.amazonaws.com/x.pem",
            "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem",
            "https://evil.example/sns.eu-west-1.amazonaws.com/x.pem",
            "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem",
            "https://evil@sns.eu-west-1.amazonaws.com/x.pem",
            "https://sns.eu-west-1.amazonaws.com:8443/x.pem",
            "https://sns.eu-west-1.amazonaws.com:99999/x.pem",
            "https://sns.eu-west-1.amazonaws.com/x",
            "https://[::1/x.pem",
            "",
        ],
    )
    def test_any_other_is_refused(self, url: str) -> None:
        with pytest.raises(Refused):
            verifiers.check_url(url, self.PATTERN, path_suffix=".pem")


def test_only_the_named_escapes_are_decoded() -> None:
    url = "https://hub.example.com/a%2Fb?c=%3a%20%3D"
    assert verifiers.percent_decode_only(url, "/:") == "https://hub.example.com/a/b?c=:%20%3D"


def test_what_is_missing_is_named() -> None:
    with pytest.raises(Refused, match="X-Signature is missing"):
        verifiers.require_header(incoming(), "X-Signature")
    with pytest.raises(Refused, match="No signing secret"):
        verifiers.require_secret({}, "secret")
    for body in (b"", b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(Refused, match="not JSON"):
            verifiers.json_body(incoming(body))


@given(st.text(max_size=200))
def test_any_signature_list_can_be_read(value: str) -> None:
    for name, entries in verifiers.parse_signature_list(value).items():
        assert name
        assert all(entries)
