"""HubSpot CRM: contacts, companies, deals. CRM API v3 or date-versioned (developers.hubspot.com)."""

from integrations.base.auth import HeaderAuth, TokenAuth, TokenGrant
from integrations.base.fields import Field
from integrations.base.limits import LimitHeaders, Reset
from integrations.base.provider import ConnectionTest, Provider, RateLimit
from integrations.hubspot.actions import erase_contact, upsert_companies, upsert_contacts, upsert_deals
from integrations.hubspot.client import classify
from integrations.hubspot.pulls import pull
from integrations.hubspot.webhooks import WEBHOOK

PRIVATE_APP = HeaderAuth(
    key="private_app",
    label="Private app token",
    account_by="the portal's id",
    secret="access_token",
    fields=(
        Field(
            "access_token",
            "Access token",
            help="HubSpot → Settings → Integrations → Private apps → your app → Auth.",
            example="pat-eu1-00000000-0000-4000-8000-000000000000",
            pattern=r"pat-[a-z0-9]+-[0-9a-fA-F-]{36}",
            secret=True,
        ),
    ),
)
OAUTH = TokenAuth(
    key="oauth2",
    label="OAuth 2.0 (public app)",
    account_by="the portal's id",
    fields=(
        Field(
            "client_id",
            "Client ID",
            help="On the Auth tab of your app in the HubSpot developer account.",
            example="00000000-0000-4000-8000-000000000001",
            pattern=r"[0-9a-fA-F-]{36}",
        ),
        Field(
            "client_secret",
            "Client secret",
            help="Beside the client ID.",
            example="00000000-0000-4000-8000-000000000002",
            pattern=r"[0-9a-fA-F-]{36}",
            secret=True,
        ),
    ),
    token=TokenGrant(
        grant="code",
        authorize_url="https://app.hubspot.com/oauth/authorize",
        token_url="https://api.hubapi.com/oauth/{api_version}/token",
        scopes=(
            "oauth",
            *(
                f"crm.objects.{kind}.{right}"
                for kind in ("contacts", "companies", "deals")
                for right in ("read", "write")
            ),
        ),
        account="hub_id",
    ),
)
KEY_HELP = (
    "Internal name of a HubSpot property of {} with “require unique values”. Instructions beside this form."
)

PROVIDER = Provider(
    slug="hubspot",
    name="HubSpot",
    category="crm",
    summary="Contacts, companies and deals of HubSpot CRM, in batches, and what changes there.",
    docs_url="https://developers.hubspot.com/docs/api-reference/overview",
    base_urls={"default": "https://api.hubapi.com"},
    auth=(PRIVATE_APP, OAUTH),
    fields=(
        Field(
            "api_version",
            "API version",
            help="Leave it at v3 unless HubSpot announces its end for your account.",
            example="v3",
            default="v3",
            choices=(("v3", "v3"), ("2026-03", "2026-03"), ("2026-09", "2026-09")),
        ),
        Field(
            "company_key",
            "Company key property",
            help=KEY_HELP.format("companies"),
            example="interchange_key",
            default="interchange_key",
            pattern=r"[a-z][a-z0-9_]{0,99}",
        ),
        Field(
            "deal_key",
            "Deal key property",
            help=KEY_HELP.format("deals"),
            example="interchange_key",
            default="interchange_key",
            pattern=r"[a-z][a-z0-9_]{0,99}",
        ),
        Field(
            "pull_properties",
            "Further properties to read",
            help="Internal names, one a line; they are read beside the usual ones.",
            example="lifecyclestage",
            kind="list",
            pattern=r"[a-z][a-z0-9_]{0,99}",
            required=False,
        ),
    ),
    test=ConnectionTest(
        path="/account-info/v3/details",
        account="portalId && join('', ['Portal ', to_string(portalId)])",
        identity="portalId",
        hints={
            401: "HubSpot refuses the token. Make a new one in the private app, or connect again.",
            403: "The app lacks a scope. Add the scopes named in the instructions and connect again.",
        },
    ),
    actions=(upsert_contacts, upsert_companies, upsert_deals, erase_contact),
    pulls=(
        pull("contacts", "Contacts", "lastmodifieddate", "email firstname lastname phone company jobtitle"),
        pull("companies", "Companies", "hs_lastmodifieddate", "domain name phone city country industry"),
        pull(
            "deals",
            "Deals",
            "hs_lastmodifieddate",
            "dealname amount deal_currency_code dealstage pipeline closedate",
        ),
    ),
    # The smallest burst limit of any plan.
    rate_limit=RateLimit(100, 10),
    limit_headers=(
        # The interval's length: what was used up has come back by then.
        LimitHeaders(
            "X-HubSpot-RateLimit-Remaining", "X-HubSpot-RateLimit-Interval-Milliseconds", Reset.MILLISECONDS
        ),
    ),
    classify=classify,
    undescribed={
        "/crm/v3/objects/contacts/gdpr-delete": "HubSpot's SDK knows erasure, the description does not.",
        "/account-info/*": "The description covers the CRM only.",
    },
    webhook=WEBHOOK,
    colour="#ff7a59",
)
