"""What Stripe can be asked to do. Several POSTs of one item each have an idempotency key of their own."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from integrations.base.capabilities import Customer
from integrations.base.errors import PermanentError
from integrations.base.provider import Context, action
from integrations.base.results import Page, Result
from integrations.stripe.client import answer, post, text
from integrations.stripe.inputs import Invoice, PaymentIntent, Refund, Subscription, WebhookEndpoint
from integrations.stripe.webhooks import SIGNING

#: The version whose requests and answers this folder was written for.
API_VERSION = "2026-10-28.endive"
#: Stripe keeps events for 30 days; a day is left for reading them.
EVENTS_KEPT = timedelta(days=29)


@action("customer.upsert", "Create or update a customer", Customer, capability=True)
def upsert_customer(ctx: Context, data: Customer) -> Result:
    """Find the customer by your id or the e-mail address; update it, or create it if there is none."""
    form = data.model_dump(exclude_defaults=True, exclude={"external_id", "metadata"})
    form["metadata"] = dict(data.metadata)
    if data.external_id:
        form["metadata"]["external_id"] = data.external_id
    known = _find_customer(ctx, data)
    # Steps have keys of their own: what a lost answer created is found, and updated, at the next try.
    made = post(ctx, f"/v1/customers/{known}" if known else "/v1/customers", form, known or "create")
    return _result(made, "name", "email")


def _find_customer(ctx: Context, data: Customer) -> str:
    """Return the id of the customer that is meant, or nothing.

    The list by address is strongly consistent, the search by metadata lags by up to a minute.
    """
    listed = answer(ctx.http.get("/v1/customers", params={"email": data.email, "limit": 10}))
    found = {text(row.get("id")): _external_id(row) for row in _rows(listed)}
    same = [key for key, external_id in found.items() if external_id == data.external_id]
    if same or not data.external_id:
        return next(iter(same or found), "")
    if moved := _search_customer(ctx, data.external_id):
        return moved
    return next((key for key, external_id in found.items() if not external_id), "")


def _search_customer(ctx: Context, external_id: str) -> str:
    value = external_id.replace("\\", "\\\\").replace("'", "\\'")
    query = {"query": f"metadata['external_id']:'{value}'", "limit": 1}
    try:
        found = _rows(answer(ctx.http.get("/v1/customers/search", params=query)))
    except PermanentError:
        return ""  # Stripe offers no search to merchants in some countries.
    return text(found[0].get("id")) if found else ""


@action("stripe.payment_intent", "Create a payment intent", PaymentIntent)
def create_payment_intent(ctx: Context, data: PaymentIntent) -> Result:
    """Create a payment, and charge it at once if ``confirm`` is set."""
    form = data.model_dump(exclude_defaults=True)
    # Without a way back the payer cannot be sent to a bank's page, so only direct methods will do.
    redirects = {"allow_redirects": "never"} if data.confirm and not data.return_url else {}
    form["automatic_payment_methods"] = {"enabled": True, **redirects}
    return _result(post(ctx, "/v1/payment_intents", form), "status", "amount", "currency", "customer")


@action("stripe.refund", "Refund a payment", Refund)
def create_refund(ctx: Context, data: Refund) -> Result:
    """Give back a payment, wholly or in part."""
    return _result(
        post(ctx, "/v1/refunds", data.model_dump(exclude_defaults=True)), "status", "amount", "currency"
    )


@action("stripe.subscription", "Create a subscription", Subscription)
def create_subscription(ctx: Context, data: Subscription) -> Result:
    """Subscribe a customer to one or more prices."""
    made = post(ctx, "/v1/subscriptions", data.model_dump(exclude_none=True))
    return _result(made, "status", "customer", "currency")


@action("stripe.invoice", "Create an invoice", Invoice)
def create_invoice(ctx: Context, data: Invoice) -> Result:
    """Create a draft, add its lines, and finalize it unless it is to stay a draft."""
    form = data.model_dump(exclude_none=True, exclude={"items", "finalize"})
    made = post(ctx, "/v1/invoices", {**form, "pending_invoice_items_behavior": "exclude"}, "invoice")
    invoice = text(made.get("id"))
    for position, item in enumerate(data.items):
        line = item.model_dump(exclude_none=True, exclude={"price"})
        if item.price:
            line["pricing"] = {"price": item.price}
        post(
            ctx,
            "/v1/invoiceitems",
            {"customer": data.customer, "invoice": invoice, **line},
            f"item{position}",
        )
    if data.finalize:
        made = post(ctx, f"/v1/invoices/{invoice}/finalize", {"auto_advance": data.auto_advance}, "finalize")
    return _result(made, "status", "number", "total", "currency", "hosted_invoice_url")


@action("stripe.webhook_endpoint", "Register a webhook endpoint", WebhookEndpoint)
def register_webhook(ctx: Context, data: WebhookEndpoint) -> Result:
    """Have Stripe send events to an address; it tells the signing secret this once."""
    form = data.model_dump(exclude_none=True) | {"api_version": ctx.settings.get("api_version", API_VERSION)}
    made = post(ctx, "/v1/webhook_endpoints", form)
    shown = _result(made, "url", "status", "api_version")
    return Result(shown.external_id, shown.data, secrets={SIGNING: text(made.get("secret"))})


def read_list(path: str, ctx: Context, cursor: str | None, since: datetime | None) -> Page:
    """Read one page, newest first; the cursor is the id of its last row."""
    created = {"gte": int(since.timestamp())} if since else None
    params = {"limit": 100, "starting_after": cursor, "created": created}
    body = answer(ctx.http.get(path, params=params))
    rows = _rows(body)
    last = text(rows[-1].get("id")) if rows and body.get("has_more") is True else ""
    return Page(rows, last or None)


def read_customers(ctx: Context, cursor: str | None, since: datetime | None) -> Page:
    """Read customers: all by list; what changed since, and what was deleted, by Stripe's events.

    The list knows only when a customer was created. Events are kept for 30 days, newest first: of a
    customer that stands in several the first counts. Source: docs.stripe.com/api/events.
    """
    if since is None or ctx.now - since > EVENTS_KEPT:
        page = read_list("/v1/customers", ctx, cursor, None)
        return Page([{**row, "changed": row.get("created")} for row in page.rows], page.next_cursor)
    params = {
        "limit": 100,
        "starting_after": cursor,
        "created": {"gte": int(since.timestamp())},
        "types": [f"customer.{what}" for what in ("created", "updated", "deleted")],
    }
    body = answer(ctx.http.get("/v1/events", params=params))
    events = _rows(body)
    latest: dict[str, dict[str, Any]] = {}
    for event in events:
        customer = (event.get("data") or {}).get("object") or {}
        gone = {"deleted": True} if event.get("type") == "customer.deleted" else {}
        latest.setdefault(text(customer.get("id")), {**customer, **gone, "changed": event.get("created")})
    if cursor:
        # Older events than those of the page before, maybe of the same customers: ask how they are now.
        latest = {key: _present(ctx, row) for key, row in latest.items()}
    last = text(events[-1].get("id")) if events and body.get("has_more") is True else ""
    return Page(list(latest.values()), last or None)


def _present(ctx: Context, row: dict[str, Any]) -> dict[str, Any]:
    if row.get("deleted"):
        return row
    return {**answer(ctx.http.get(f"/v1/customers/{row['id']}")), "changed": row["changed"]}


def _rows(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = body.get("data")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _external_id(row: Mapping[str, Any]) -> str:
    metadata = row.get("metadata")
    return text(metadata.get("external_id")) if isinstance(metadata, dict) else ""


def _result(made: Mapping[str, Any], *names: str) -> Result:
    kept = {name: made[name] for name in (*names, "livemode") if made.get(name) is not None}
    return Result(text(made.get("id")), kept)
