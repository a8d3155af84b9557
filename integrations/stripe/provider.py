"""Stripe: payments, subscriptions, invoices. API v1, form-encoded (docs.stripe.com/api)."""

from functools import partial

from integrations.base.fields import Field
from integrations.base.provider import Provider, Pull, RateLimit
from integrations.stripe import actions
from integrations.stripe.client import StripeKey, classify, who_am_i
from integrations.stripe.webhooks import WEBHOOK

PROVIDER = Provider(
    slug="stripe",
    name="Stripe",
    category="payments",
    summary="Customers, payments, refunds, subscriptions and invoices; events when money moves.",
    docs_url="https://docs.stripe.com/api",
    colour="#635bff",
    base_urls={"default": "https://api.stripe.com"},
    auth=(
        StripeKey(
            key="api_key",
            label="Restricted or secret key",
            account_by="the account's id",
            fields=(
                Field(
                    "api_key",
                    "API key",
                    help="Best a restricted key (rk_…). A publishable key (pk_…) cannot be used here.",
                    example="rk_test_example00000000000000000",
                    pattern=r"(sk|rk)_(test|live)_[A-Za-z0-9]+",
                    secret=True,
                ),
            ),
        ),
    ),
    fields=(
        Field(
            "api_version",
            "API version",
            help="Pinned, whatever your account's default is. Before 2025-03-31.basil invoice lines differ.",
            example=actions.API_VERSION,
            pattern=r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?",
            default=actions.API_VERSION,
        ),
        Field(
            "stripe_account",
            "Connected account",
            help="Only for platforms: act for this account of Stripe Connect.",
            example="acct_0000000000000000",
            pattern=r"acct_[A-Za-z0-9]{16,}",
            required=False,
        ),
    ),
    test=who_am_i,
    rate_limit=RateLimit(25, 1),
    classify=classify,
    actions=(
        actions.upsert_customer,
        actions.create_payment_intent,
        actions.create_refund,
        actions.create_subscription,
        actions.create_invoice,
        actions.register_webhook,
    ),
    pulls=(
        Pull("stripe.events", "Events of the last 30 days", partial(actions.read_list, "/v1/events")),
        Pull(
            "stripe.customers",
            "Customers",
            actions.read_customers,
            deleted="deleted",
            modified="changed",
            told_by=("stripe.customer.created", "stripe.customer.updated"),
            gone_by=("stripe.customer.deleted",),
        ),
    ),
    webhook=WEBHOOK,
)
