"""Salesforce: contacts, accounts and any object, by external ID in collections (developer.salesforce.com)."""

from integrations.base.auth import TokenAuth, TokenGrant
from integrations.base.fields import Field
from integrations.base.provider import Provider, RateLimit
from integrations.salesforce.actions import CONTACT, KEY, upsert_accounts, upsert_contacts, upsert_records
from integrations.salesforce.client import classify
from integrations.salesforce.organization import test_connection
from integrations.salesforce.pulls import pull

CLIENT_CREDENTIALS = TokenAuth(
    key="client_credentials",
    label="Client credentials (External Client App)",
    account_by="the organization's id",
    fields=(
        Field(
            "client_id",
            "Consumer key",
            help="Of the External Client App, under Settings → OAuth Settings.",
            example="3MVG9_only_an_example",
            pattern=r"[\x21-\x7e]{5,512}",
        ),
        Field(
            "client_secret",
            "Consumer secret",
            help="Beside the consumer key.",
            example="0000000000000000000000000000000000000000000000000000000000000000",
            pattern=r"[\x21-\x7e]{10,512}",
            secret=True,
        ),
    ),
    token=TokenGrant(grant="client_credentials", token_url="https://{my_domain}/services/oauth2/token"),
)


def _more(name: str, what: str) -> Field:
    return Field(
        f"{name}_fields",
        f"Further fields of {name}",
        help=f"API names of fields of {what} to read beside the usual ones, one a line.",
        example="LeadSource",
        kind="list",
        pattern=r"[A-Za-z][A-Za-z0-9_.]{0,99}",
        required=False,
    )


PROVIDER = Provider(
    slug="salesforce",
    name="Salesforce",
    category="crm",
    summary="Contacts, accounts and records of any object, up to 200 a call, and what changes there.",
    docs_url="https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/",
    base_urls={
        "default": "https://{my_domain}/services/data/{api_version}",
        "instance": "https://{my_domain}",
    },
    auth=(CLIENT_CREDENTIALS,),
    fields=(
        Field(
            "my_domain",
            "My Domain",
            help="Setup → My Domain: the host name, not the one with lightning in it.",
            example="acme.my.salesforce.com",
            pattern=r"[a-z0-9-]+(\.[a-z]+)?\.my\.salesforce\.com",
        ),
        Field(
            "api_version",
            "API version",
            help="A version that your organization has; Salesforce keeps each for years.",
            example="v67.0",
            default="v67.0",
            pattern=r"v[1-9]\d{1,2}\.0",
        ),
        Field(
            "key_field",
            "Key field",
            help="External ID field of contacts and accounts. Instructions beside this form.",
            example=KEY,
            default=KEY,
            pattern=r"[A-Za-z][A-Za-z0-9_]{0,79}",
        ),
        _more("contacts", "Contact"),
        _more("accounts", "Account"),
    ),
    test=test_connection,
    actions=(upsert_contacts, upsert_accounts, upsert_records),
    pulls=(
        pull("contacts", "Contacts", "Contact", " ".join(CONTACT.values())),
        pull("accounts", "Accounts", "Account", "Name Website Phone BillingCity BillingCountry Industry"),
    ),
    # Salesforce counts by the day and by what runs at once, not by the second.
    rate_limit=RateLimit(10, 1),
    max_in_flight=5,
    classify=classify,
    undescribed={
        "/services/data/*/composite/sobjects/*/*": "Described are collections by Id, not by external ID.",
        "/services/data/*/queryAll/": "It is described without an answer.",
        "/services/data/*/query/?*": "Where the next page is the answer says, the description does not.",
    },
    colour="#00a1e0",
)
