"""SendGrid: mail, marketing contacts, suppressions. Web API v3 (twilio.com/docs/sendgrid)."""

from integrations.base.auth import HeaderAuth
from integrations.base.fields import Field
from integrations.base.limits import LimitHeaders, Reset
from integrations.base.provider import Provider, RateLimit
from integrations.sendgrid.actions import (
    erase_contacts,
    send_email,
    suppress,
    unsuppress,
    upsert_contacts,
)
from integrations.sendgrid.client import classify, who_am_i
from integrations.sendgrid.pulls import pull
from integrations.sendgrid.webhooks import WEBHOOK

API_KEY = HeaderAuth(
    key="api_key",
    label="API key",
    account_by="the user's id",
    fields=(
        Field(
            "api_key",
            "API key",
            help="SendGrid → Settings → API Keys. It needs Mail Send, and Marketing for contacts.",
            example="SG.exampleexampleexample0.exampleexampleexampleexampleexampleexample0",
            pattern=r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{32,}",
            secret=True,
        ),
    ),
)


def _custom_field(name: str, label: str) -> Field:
    return Field(
        name,
        label,
        help="Id of a custom field of SendGrid's contacts; left empty, the value is not sent.",
        example="e1_T",
        pattern=r"[a-z][0-9]+_[A-Z]",
        required=False,
    )


PROVIDER = Provider(
    slug="sendgrid",
    name="SendGrid",
    category="email",
    summary="Transactional mail with templates, marketing contacts, and what becomes of each message.",
    docs_url="https://www.twilio.com/docs/sendgrid/api-reference",
    base_urls={"default": "https://{region}.sendgrid.com", "marketing": "https://api.sendgrid.com"},
    auth=(API_KEY,),
    fields=(
        Field(
            "from_email",
            "Sender",
            help="A verified sender, used where a message names none.",
            example="hello@example.com",
            pattern=r"[^@\s]+@[^@\s]+\.[^@\s]+",
            kind="email",
        ),
        Field("from_name", "Sender's name", help="Shown by mail programs.", example="Ada", required=False),
        Field(
            "region",
            "Region",
            help="EU only for subusers that SendGrid keeps in the EU; contacts are always global.",
            example="api",
            default="api",
            choices=(("api", "Global"), ("api.eu", "European Union")),
        ),
        Field(
            "sandbox_mode",
            "Sandbox mode",
            help="SendGrid checks each message but sends none.",
            kind="boolean",
            default=False,
            required=False,
        ),
        Field(
            "list_ids",
            "Marketing lists",
            help="Ids of the lists that contacts are put on, one a line.",
            example="00000000-0000-4000-8000-000000000000",
            pattern=r"[0-9a-fA-F-]{36}",
            kind="list",
            required=False,
        ),
        _custom_field("phone_field", "Custom field for the telephone number"),
        _custom_field("company_field", "Custom field for the company"),
        _custom_field("job_title_field", "Custom field for the job title"),
    ),
    test=who_am_i,
    actions=(send_email, upsert_contacts, erase_contacts, suppress, unsuppress),
    pulls=(
        pull("bounces", "Bounced addresses", "/v3/suppression/bounces"),
        pull("unsubscribes", "Unsubscribed addresses", "/v3/suppression/unsubscribes"),
    ),
    rate_limit=RateLimit(50, 1),
    limit_headers=(LimitHeaders("X-RateLimit-Remaining", "X-RateLimit-Reset", Reset.UNIX),),
    classify=classify,
    undescribed={
        "/v3/recipients/erasejob": "SendGrid describes erasure in a file of its own.",
        "/v3/user/username": "Described are a user's profile, account, e-mail address and credits.",
    },
    webhook=WEBHOOK,
    colour="#1a82e2",
)
