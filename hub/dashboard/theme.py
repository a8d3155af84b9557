"""How the admin looks and where its menu leads: the ``UNFOLD`` setting.

Loaded by the settings, so it names everything by path or lazily and imports no model.
"""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import lazy

static_lazy = lazy(static, str)
ACCESS = "hub.dashboard.badges"


def _item(title: str, icon: str, url: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{url}"), **more}


NAVIGATION: list[dict[str, Any]] = [
    {
        "items": [
            _item("Home", "home", "index"),
            _item("Events", "bolt", "events_event_changelist"),
            _item(
                "Queue",
                "pending_actions",
                "delivery_queueitem_changelist",
                badge=f"{ACCESS}.failed_items",
                badge_variant="danger",
            ),
            _item("Bulk runs", "dynamic_feed", "delivery_bulkrun_changelist"),
            _item("Log", "receipt_long", "delivery_integrationlog_changelist"),
            _item("Reports", "summarize", "metrics_healthreport_changelist"),
        ],
    },
    {
        "title": "Connections",
        "separator": True,
        "items": [
            _item(
                "Integrations",
                "hub",
                "connections_integration_changelist",
                badge=f"{ACCESS}.troubled_integrations",
                badge_variant="warning",
                active="hub.dashboard.badges.on_integrations",
            ),
            _item("Connect a service", "add_link", "connections_connect", permission=f"{ACCESS}.is_admin"),
        ],
    },
    {
        "title": "Flow",
        "separator": True,
        "items": [
            _item("Flow", "account_tree", "events_route_flow"),
            _item(
                "Routes",
                "alt_route",
                "events_route_changelist",
                active=f"{ACCESS}.on_routes",
            ),
            _item("Mappings", "swap_horiz", "mapping_fieldmapping_changelist"),
            _item("Event types", "label", "events_eventtype_changelist"),
        ],
    },
    {
        "title": "Records",
        "separator": True,
        "items": [
            _item("Records", "contacts", "sync_record_changelist"),
            _item("Syncs", "sync_alt", "sync_sync_changelist"),
            _item("Sync runs", "sync", "sync_syncrun_changelist"),
            _item("Conflicts", "call_split", "sync_conflict_changelist"),
            _item("Import and export", "upload_file", "files_fileimport_changelist"),
            _item("Record types", "category", "sync_recordtype_changelist"),
        ],
    },
    {
        "title": "Webhooks",
        "separator": True,
        "items": [
            _item("Endpoints", "webhook", "webhooks_webhookendpoint_changelist"),
            _item("Received", "move_to_inbox", "webhooks_receivedwebhook_changelist"),
            _item("Outgoing", "send", "webhooks_subscription_changelist"),
        ],
    },
    {
        "title": "People",
        "separator": True,
        "items": [
            _item("Organizations", "domain", "accounts_organization_changelist"),
            _item("Members", "group", "accounts_membership_changelist"),
            _item("Invitations", "person_add", "identity_invitation_changelist"),
            _item("API keys", "key", "accounts_apikey_changelist"),
            _item("Audit log", "history", "audit_entry_changelist"),
            _item("Lock-outs", "lock_clock", "lockouts", permission=f"{ACCESS}.is_superuser"),
            _item("Users", "person", "auth_user_changelist", permission=f"{ACCESS}.is_superuser"),
            _item("Encryption keys", "lock", "encryption_keys", permission=f"{ACCESS}.is_superuser"),
        ],
    },
]

UNFOLD = {
    "SITE_TITLE": "Interchange",
    "SITE_HEADER": "Interchange",
    "SITE_SUBHEADER": "hub.dashboard.organizations.shown_name",
    "SITE_DROPDOWN": "hub.dashboard.organizations.choices",
    "SITE_URL": None,
    "SITE_ICON": static_lazy("interchange/logo.svg"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": static_lazy("interchange/favicon.svg")}
    ],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": False,
    "ENVIRONMENT": f"{ACCESS}.environment",
    "DASHBOARD_CALLBACK": "hub.dashboard.home.context",
    "STYLES": [static_lazy("interchange/interchange.css")],
    "SCRIPTS": [static_lazy("interchange/interchange.js"), static_lazy("interchange/signed-out.js")],
    "BORDER_RADIUS": "8px",
    "COLORS": {
        "primary": {
            "50": "oklch(96.2% .018 272.314)",
            "100": "oklch(93% .034 272.788)",
            "200": "oklch(87% .065 274.039)",
            "300": "oklch(78.5% .115 274.713)",
            "400": "oklch(67.3% .182 276.935)",
            "500": "oklch(58.5% .233 277.117)",
            "600": "oklch(51.1% .262 276.966)",
            "700": "oklch(45.7% .24 277.023)",
            "800": "oklch(39.8% .195 277.366)",
            "900": "oklch(35.9% .144 278.697)",
            "950": "oklch(25.7% .09 281.288)",
        },
    },
    "ACCOUNT": {"navigation": "hub.identity.pages.security_links"},
    "COMMAND": {"search_callback": f"{ACCESS}.search", "show_history": True},
    "SIDEBAR": {"show_search": False, "command_search": True, "navigation": f"{ACCESS}.navigation"},
}
