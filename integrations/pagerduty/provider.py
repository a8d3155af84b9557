"""PagerDuty: Events API v2 and REST API v2 (github.com/PagerDuty/developer-docs, api-schema)."""

from integrations.base.auth import AuthScheme, HeaderAuth
from integrations.base.fields import Field
from integrations.base.limits import LimitHeaders
from integrations.base.provider import Provider, RateLimit
from integrations.pagerduty import actions
from integrations.pagerduty.client import classify, who_am_i
from integrations.pagerduty.webhooks import WEBHOOK

ROUTING_KEY = Field(
    "routing_key",
    "Integration key",
    help="Of an “Events API V2” integration of the service that should alarm: 32 letters and digits.",
    example="0000000000000000000000000example",
    pattern=r"[A-Za-z0-9]{32}",
    secret=True,
)

PROVIDER = Provider(
    slug="pagerduty",
    name="PagerDuty",
    category="incidents",
    summary="Opens, acknowledges and resolves incidents; hears of what responders do.",
    docs_url="https://developer.pagerduty.com/docs/events-api-v2-overview",
    colour="#048a24",
    base_urls={
        "default": "https://api.pagerduty.com",
        "default_eu": "https://api.eu.pagerduty.com",
        "events": "https://events.pagerduty.com",
        "events_eu": "https://events.eu.pagerduty.com",
    },
    auth=(
        HeaderAuth(
            label="Integration key and API key",
            account_by="the account's own address",
            secret="api_key",  # the field's name
            template="Token token={secret}",
            fields=(
                ROUTING_KEY,
                Field(
                    "api_key",
                    "API key",
                    help="A user's or the account's REST API key; read-only is enough. For the test.",
                    example="y_exampleexample0000",
                    pattern=r"\S{16,64}",
                    secret=True,
                ),
            ),
        ),
        AuthScheme(key="events", label="Integration key only", fields=(ROUTING_KEY,)),
    ),
    fields=(
        Field(
            "region",
            "Service region",
            help="Where your account lives; the EU has addresses of its own.",
            default="us",
            choices=(("us", "United States"), ("eu", "European Union")),
        ),
    ),
    test={"token": who_am_i, "events": actions.prove_routing_key},
    actions=(actions.trigger, actions.acknowledge, actions.resolve, actions.record_change),
    rate_limit=RateLimit(120, 60),
    limit_headers=(LimitHeaders("ratelimit-remaining", "ratelimit-reset"),),
    headers={"Accept": "application/vnd.pagerduty+json;version=2"},
    classify=classify,
    webhook=WEBHOOK,
)
