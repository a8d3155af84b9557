"""Amazon SES: mail by the API v2 through boto3 (docs.aws.amazon.com/ses/latest/APIReference-V2)."""

from integrations.amazon_ses.actions import send_email, suppress, test_connection, unsuppress
from integrations.amazon_ses.webhooks import WEBHOOK
from integrations.base.auth import AuthScheme
from integrations.base.fields import Field
from integrations.base.provider import Provider, RateLimit

ACCESS_KEY = AuthScheme(
    key="access_key",
    label="Access key",
    account_by="the number of the AWS account and the region",
    fields=(
        Field(
            "access_key_id",
            "Access key ID",
            help="Of an IAM user who may do nothing but send with SES.",
            example="AKIAEXAMPLEEXAMPLE00",
            pattern=r"(AKIA|ASIA)[A-Z0-9]{16}",
        ),
        Field(
            "secret_access_key",
            "Secret access key",
            help="AWS shows it once, beside the access key ID.",
            example="example/example+example/example+example0",
            pattern=r"[A-Za-z0-9/+=]{40}",
            secret=True,
        ),
        Field(
            "session_token",
            "Session token",
            help="Only for temporary credentials, whose key ID begins with ASIA.",
            example="exampleexampleexampleexampleexample",
            pattern=r"[A-Za-z0-9/+=]{16,4000}",
            secret=True,
            required=False,
        ),
    ),
)

PROVIDER = Provider(
    slug="amazon_ses",
    name="Amazon SES",
    category="email",
    summary="Mail through Amazon's Simple Email Service, and its bounces, complaints and deliveries.",
    docs_url="https://docs.aws.amazon.com/ses/latest/dg/send-email-api.html",
    base_urls={
        "default": "https://email.{region}.amazonaws.com",
        "sts": "https://sts.{region}.amazonaws.com",
    },
    auth=(ACCESS_KEY,),
    fields=(
        Field(
            "region",
            "Region",
            help="Where your identities are verified.",
            example="eu-central-1",
            pattern=r"(af|ap|ca|eu|il|me|mx|sa|us|us-gov)-[a-z]+-[1-9]",
        ),
        Field(
            "from_address",
            "Sender",
            help="A verified identity, used where a message names none.",
            example="hello@example.com",
            pattern=r"[^@\s]+@[^@\s]+\.[^@\s]+",
            kind="email",
        ),
        Field("from_name", "Sender's name", help="Shown by mail programs.", example="Ada", required=False),
        Field(
            "configuration_set",
            "Configuration set",
            help="Needed for events about messages: bounces, complaints, deliveries.",
            example="interchange",
            pattern=r"[A-Za-z0-9_-]{1,64}",
            required=False,
        ),
    ),
    test=test_connection,
    actions=(send_email, suppress, unsuppress),
    # What a new account may send; the account's real rate stands in the SES console.
    rate_limit=RateLimit(14, 1),
    webhook=WEBHOOK,
    colour="#dd344c",
)
