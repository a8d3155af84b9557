"""Slack: messages out, events and pressed buttons in (docs.slack.dev)."""

from integrations.base.auth import AuthScheme, HeaderAuth
from integrations.base.fields import Field
from integrations.base.provider import Provider, RateLimit
from integrations.slack import actions
from integrations.slack.client import classify
from integrations.slack.webhooks import WEBHOOK

WEBHOOK_URL = AuthScheme(
    key="webhook",
    label="Incoming webhook (posts into one channel)",
    account_by="the workspace's id",
    fields=(
        Field(
            "webhook_url",
            "Webhook URL",
            help="The URL is the secret: whoever has it can post.",
            example="https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
            pattern=r"https://hooks\.slack(-gov)?\.com/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]+",
            secret=True,
        ),
    ),
)

BOT_TOKEN = HeaderAuth(
    key="bot",
    label="Bot token (posts anywhere, changes messages, finds users)",
    account_by="the workspace's id",
    secret="bot_token",
    fields=(
        Field(
            "bot_token",
            "Bot token",
            help="Bot User OAuth Token on the app's page under OAuth & Permissions.",
            example="xoxb-0000000000-example",
            pattern=r"(xoxe\.)?xox[bp]-[0-9A-Za-z-]+",
            secret=True,
        ),
        Field(
            "channel",
            "Default channel",
            help="Id of the channel for messages that name none; at the bottom of the channel's details.",
            example="C0123456789",
            pattern=r"[CDGU][A-Z0-9]{2,}|#\S{1,80}",
            required=False,
        ),
        Field(
            "domain",
            "Slack is at",
            help="GovSlack has addresses of its own.",
            default="slack.com",
            example="slack.com",
            choices=(("slack.com", "Slack"), ("slack-gov.com", "GovSlack")),
        ),
    ),
)

PROVIDER = Provider(
    slug="slack",
    name="Slack",
    category="messaging",
    summary="Messages into channels; events, pressed buttons and slash commands back.",
    docs_url="https://docs.slack.dev",
    colour="#4a154b",
    base_urls={"default": "https://{domain}/api"},
    undescribed={"/services/*": "Incoming webhooks are not part of the Web API's description."},
    auth=(BOT_TOKEN, WEBHOOK_URL),
    test={"bot": actions.test_token, "webhook": actions.test_webhook},
    # A channel takes one message a second, an incoming webhook likewise.
    rate_limit=RateLimit(1, 1),
    classify=classify,
    actions=(actions.post_message, actions.update_message, actions.find_user),
    webhook=WEBHOOK,
)
