"""What Stripe is sent, and what its answers mean."""

import pytest

from integrations.base.connection_tests import prove
from integrations.base.errors import (
    AuthError,
    IntegrationError,
    PermanentError,
    RateLimited,
    Rejected,
    TransientError,
)
from integrations.base.fields import FieldErrors, clean_all
from integrations.base.inputs import read_input
from integrations.stripe.provider import PROVIDER
from tests.conftest import Door
from tests.integrations.support import context

API = "https://api.stripe.com"
CUSTOMER = {"email": "ada@example.com", "external_id": "crm-1", "name": "Ada"}
INVOICE = {
    "customer": "cus_1",
    "items": [{"amount": 4900, "currency": "EUR"}, {"price": "price_1", "quantity": 2}],
}
PAYMENT = {"amount": 100, "currency": "eur"}
LIST = {"object": "list", "has_more": False, "data": []}


def run(action: str, values: dict, **options):
    found = PROVIDER.action(action)
    return found.run(context(PROVIDER, **options), read_input(found.input, values))


def row(key: str, external_id: str = "") -> dict:
    return {"id": key, "object": "customer", "metadata": {"external_id": external_id} if external_id else {}}


def listed(*rows: dict) -> dict:
    return {**LIST, "data": list(rows)}


def test_every_request_names_key_version_and_account(door: Door):
    door.answer("POST", "/v1/payment_intents", json={"id": "pi_1", "status": "requires_payment_method"})
    result = run("stripe.payment_intent", PAYMENT, stripe_account="acct_0123456789abcdef")
    sent = door.last
    assert sent.url == f"{API}/v1/payment_intents"
    assert sent.header("Authorization").startswith("Bearer rk_test_")
    assert sent.header("Stripe-Version") == "2026-10-28.endive"
    assert sent.header("Stripe-Account") == "acct_0123456789abcdef"
    assert sent.header("Idempotency-Key") == "item-1"
    assert sent.header("Content-Type") == "application/x-www-form-urlencoded"
    assert result.external_id == "pi_1"
    assert result.data["status"] == "requires_payment_method"


def test_without_a_connected_account_there_is_no_such_header(door: Door):
    door.answer("POST", "/v1/payment_intents", json={"id": "pi_1"})
    run("stripe.payment_intent", PAYMENT, stripe_account=None)
    assert door.last.header("Stripe-Account") == ""


def test_an_unknown_customer_is_created(door: Door):
    door.answer("GET", "/v1/customers", json=LIST)
    door.answer("GET", "/v1/customers/search", json=LIST)
    door.answer("POST", "/v1/customers", json=row("cus_new"))
    assert run("customer.upsert", CUSTOMER).external_id == "cus_new"
    assert door.requests[0].query["email"] == ["ada@example.com"]
    assert door.requests[1].query["query"] == ["metadata['external_id']:'crm-1'"]
    assert door.last.form == {
        "email": ["ada@example.com"],
        "name": ["Ada"],
        "metadata[external_id]": ["crm-1"],
    }


@pytest.mark.parametrize(
    ("found", "by_search", "expected"),
    [
        ([row("cus_a", "other"), row("cus_b", "crm-1")], [], "cus_b"),
        ([row("cus_a", "other"), row("cus_b")], [], "cus_b"),
        ([row("cus_a", "other")], [row("cus_moved", "crm-1")], "cus_moved"),
        ([row("cus_a", "other")], [], ""),
    ],
    ids=["same external id", "address without external id", "address changed", "somebody else's address"],
)
def test_a_known_customer_is_updated(door: Door, found: list, by_search: list, expected: str):
    door.answer("GET", "/v1/customers", json=listed(*found))
    door.answer("GET", "/v1/customers/search", json=listed(*by_search))
    door.answer("POST", lambda sent: True, json=row(expected or "cus_new"))
    run("customer.upsert", CUSTOMER)
    assert door.last.path == (f"/v1/customers/{expected}" if expected else "/v1/customers")


def test_without_an_external_id_the_address_decides(door: Door):
    door.answer("GET", "/v1/customers", json=listed(row("cus_a", "other")))
    door.answer("POST", "/v1/customers/cus_a", json=row("cus_a"))
    assert run("customer.upsert", {"email": "ada@example.com"}).external_id == "cus_a"


def test_a_merchant_without_search_can_still_upsert(door: Door):
    door.answer("GET", "/v1/customers", json=LIST)
    door.answer("GET", "/v1/customers/search", 400, json={"error": {"message": "Search is not available."}})
    door.answer("POST", "/v1/customers", json=row("cus_new"))
    assert run("customer.upsert", CUSTOMER).external_id == "cus_new"


def test_an_invoice_is_made_in_steps_with_a_key_each(door: Door):
    door.answer("POST", "/v1/invoices", json={"id": "in_1", "status": "draft"})
    door.answer("POST", "/v1/invoiceitems", json={"id": "ii_1"})
    door.answer("POST", "/v1/invoices/in_1/finalize", json={"id": "in_1", "status": "open", "number": "A-1"})
    result = run("stripe.invoice", INVOICE)
    assert result.data["number"] == "A-1"
    keys = [sent.header("Idempotency-Key") for sent in door.requests]
    assert keys == ["item-1:invoice", "item-1:item0", "item-1:item1", "item-1:finalize"]
    assert door.requests[1].form["currency"] == ["eur"]
    assert door.requests[2].form == {
        "customer": ["cus_1"],
        "invoice": ["in_1"],
        "quantity": ["2"],
        "pricing[price]": ["price_1"],
    }


def test_an_invoice_may_stay_a_draft(door: Door):
    door.answer("POST", "/v1/invoices", json={"id": "in_1", "status": "draft"})
    door.answer("POST", "/v1/invoiceitems", json={"id": "ii_1"})
    assert run("stripe.invoice", {**INVOICE, "finalize": False}).data["status"] == "draft"


def test_a_long_idempotency_key_keeps_its_steps_apart(door: Door):
    door.answer("POST", "/v1/invoices", json={"id": "in_1"})
    door.answer("POST", "/v1/invoiceitems", json={"id": "ii_1"})
    run("stripe.invoice", {**INVOICE, "finalize": False}, key="k" * 400)
    keys = [sent.header("Idempotency-Key") for sent in door.requests]
    assert len(set(keys)) == 3
    assert all(len(key) <= 255 for key in keys)


def test_a_confirmed_payment_without_a_way_back_allows_no_redirects(door: Door):
    door.answer("POST", "/v1/payment_intents", json={"id": "pi_1"})
    run("stripe.payment_intent", {**PAYMENT, "confirm": True, "payment_method": "pm_1"})
    assert door.last.form["automatic_payment_methods[allow_redirects]"] == ["never"]


def test_a_new_webhooks_secret_is_returned_apart_and_logged_nowhere(door: Door):
    secret = "whsec_toldonlyonce000000000000"
    door.answer("POST", "/v1/webhook_endpoints", json={"id": "we_1", "url": "https://h", "secret": secret})
    ctx = context(PROVIDER)
    found = PROVIDER.action("stripe.webhook_endpoint")
    result = found.run(ctx, read_input(found.input, {"url": "https://hub.example.com/webhooks/t/"}))
    assert result.external_id == "we_1"
    assert result.secrets == {"webhook_signing_secret": secret}
    assert secret not in repr(result)
    assert secret not in repr(result.data)
    assert secret not in repr(ctx.http.exchanges)
    assert door.last.form["enabled_events[0]"] == ["*"]
    assert door.last.form["api_version"] == ["2026-10-28.endive"]


@pytest.mark.parametrize(
    ("action", "values"),
    [
        ("stripe.refund", {"payment_intent": "pi_1", "charge": "ch_1"}),
        ("stripe.refund", {}),
        ("stripe.payment_intent", {"amount": 10.5, "currency": "eur"}),
        ("stripe.payment_intent", {"amount": 100, "currency": "euro"}),
        ("stripe.payment_intent", {**PAYMENT, "metadata": {"k" * 41: "v"}}),
        ("stripe.payment_intent", {**PAYMENT, "metadata": {str(n): "v" for n in range(51)}}),
        ("stripe.invoice", {"customer": "cus_1", "items": [{"amount": 100}]}),
        ("stripe.invoice", {"customer": "cus_1", "items": []}),
        ("stripe.invoice", {**INVOICE, "collection_method": "send_invoice"}),
        ("stripe.webhook_endpoint", {"url": "http://hub.example.com/"}),
    ],
)
def test_nonsense_is_refused_before_anything_is_sent(door: Door, action: str, values: dict):
    with pytest.raises(Rejected) as caught:
        run(action, values)
    assert caught.value.fields
    assert door.requests == []


@pytest.mark.parametrize(
    ("status", "headers", "error", "kind"),
    [
        (400, {}, {"type": "invalid_request_error", "message": "No such currency"}, PermanentError),
        (401, {}, {"type": "invalid_request_error", "message": "Invalid API Key"}, AuthError),
        (402, {}, {"type": "card_error", "code": "card_declined"}, PermanentError),
        (403, {}, {"type": "invalid_request_error", "message": "lacks the permission"}, AuthError),
        (409, {}, {"type": "idempotency_error", "message": "in use"}, TransientError),
        (409, {"Stripe-Should-Retry": "false"}, {"message": "conflict"}, TransientError),
        (429, {}, {"code": "rate_limit"}, RateLimited),
        (500, {}, {"type": "api_error"}, TransientError),
        (500, {"Stripe-Should-Retry": "true"}, {"type": "api_error"}, TransientError),
        (500, {"Stripe-Should-Retry": "false"}, {"type": "api_error"}, PermanentError),
        (400, {"Stripe-Should-Retry": "true"}, {"message": "try again"}, TransientError),
        (503, {}, {}, TransientError),
    ],
)
def test_an_answer_becomes_the_right_error(door: Door, status: int, headers: dict, error: dict, kind: type):
    door.answer("POST", "/v1/payment_intents", status, json={"error": error}, headers=headers)
    with pytest.raises(kind) as caught:
        run("stripe.payment_intent", PAYMENT)
    assert type(caught.value) is kind
    assert caught.value.status == status


def test_the_field_that_stripe_names_is_named(door: Door):
    error = {"type": "invalid_request_error", "param": "customer", "message": "No such customer: 'cus_9'"}
    door.answer("POST", "/v1/payment_intents", 400, json={"error": error})
    with pytest.raises(Rejected) as caught:
        run("stripe.payment_intent", {**PAYMENT, "customer": "cus_9"})
    assert caught.value.fields == {"customer": "No such customer: 'cus_9'"}


def test_a_locked_object_holds_up_only_its_own_item(door: Door):
    door.answer("POST", "/v1/refunds", 429, json={"error": {"code": "lock_timeout"}})
    with pytest.raises(TransientError) as caught:
        run("stripe.refund", {"charge": "ch_1"})
    assert not isinstance(caught.value, RateLimited)


def test_a_declined_card_says_why(door: Door):
    error = {"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"}
    door.answer(
        "POST", "/v1/payment_intents", 402, json={"error": {**error, "message": "Your card was declined."}}
    )
    with pytest.raises(PermanentError, match="insufficient_funds"):
        run("stripe.payment_intent", PAYMENT)


@pytest.mark.parametrize("body", ["<html>maintenance</html>", "[]", "null", ""])
def test_an_answer_that_is_no_object_is_transient(door: Door, body: str):
    door.answer("POST", "/v1/refunds", body=body)
    with pytest.raises(TransientError):
        run("stripe.refund", {"charge": "ch_1"})


def test_events_are_read_page_by_page(door: Door):
    first = {**LIST, "has_more": True, "data": [{"id": "evt_3"}, {"id": "evt_2"}]}
    door.answer("GET", "/v1/events", json=first, times=1)
    door.answer("GET", "/v1/events", json=listed({"id": "evt_1"}))
    pull, ctx = PROVIDER.pulls[0], context(PROVIDER)
    page = pull.read(ctx, None, None)
    assert page.next_cursor == "evt_2"
    assert pull.read(ctx, page.next_cursor, ctx.now).next_cursor is None
    assert door.last.query["starting_after"] == ["evt_2"]
    assert door.last.query["created[gte]"] == [str(int(ctx.now.timestamp()))]


@pytest.mark.parametrize(
    "key", ["pk_test_000000000000", "pk_live_0000", "sk_org_000", "rk_test_", "rk_test_00 00", "nonsense"]
)
def test_a_key_that_is_no_secret_key_is_refused_in_the_form(key: str):
    with pytest.raises(FieldErrors, match="rk_test_"):
        clean_all(PROVIDER.scheme().fields, {"api_key": key})


def test_the_connection_test_names_the_account_where_the_key_may_see_it(door: Door):
    account = {"id": "acct_1", "business_profile": {"name": "Shop"}, "email": "a@example.com"}
    door.answer("GET", "/v1/balance", json={"object": "balance", "livemode": True})
    door.answer("GET", "/v1/account", json=account, times=1)
    door.answer("GET", "/v1/account", 403, json={"error": {"message": "no right"}})
    seen = prove(PROVIDER, "api_key", context(PROVIDER))
    assert (seen.external_id, seen.account_id) == ("Shop in live mode", "acct_1")
    hidden = prove(PROVIDER, "api_key", context(PROVIDER))
    assert (hidden.external_id, hidden.account_id) == ("account in live mode", "")


@pytest.mark.parametrize(("status", "hint"), [(401, "does not know this key"), (403, "Balance: read")])
def test_a_refused_key_is_told_with_what_to_do(door: Door, status: int, hint: str):
    door.answer("GET", "/v1/balance", status, json={"error": {"message": "no"}})
    with pytest.raises(IntegrationError) as refused:
        prove(PROVIDER, "api_key", context(PROVIDER))
    assert hint in refused.value.hint
