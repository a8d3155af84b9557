"""Every page of the hub by a short name, over one organization with a row of everything."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.urls import get_resolver, resolve, reverse
from django.utils import timezone

from hub.accounts.models import APIKey, Membership
from hub.audit.models import Entry
from hub.connections.models import Credential, PendingSwitch, Status
from hub.dashboard.theme import NAVIGATION
from hub.delivery.models import BulkRun, State
from hub.events.routing import QUEUED
from hub.identity.invitations import invite
from hub.sync.models import Conflict, RunState, SyncRun
from tests import factories as make
from tests.hub.dashboard.world import records

#: Names of the admin's addresses that are no page of their own: parts of pages, deeds, downloads, ways on.
NO_PAGES = (
    "index", "login", "logout", "autocomplete", "jsi18n", "search", "view_on_site", "app_list",
    "password_change", "password_change_done", "home_live", "home_health", "signed_in", "organization_show",
    "mapping_preview", "mapping_sources", "mapping_send", "mapping_sent", "connections_oauth_callback",
    "connections_integration_expiry", "events_route_check", "events_event_attempt",
    "delivery_bulkrun_progress", "sync_run_progress", "sync_run_rejected", "files_preview",
    "files_progress", "files_rejected", "files_columns", "subscription_of", "webhooks_subscription_rotate",
)  # fmt: skip
#: Ends of the names that Django and the hub give to each table, which are no page or the same for all.
NO_PAGE_ENDS = ("_do", "_ask", "_delete", "_history", "_autocomplete")


def menu() -> dict[str, str]:
    """Return every page of the menu."""
    items = [item for group in NAVIGATION for item in group["items"]]
    return {f"menu-{item['title'].lower().replace(' ', '-')}": str(item["link"]) for item in items}


def admin_pages() -> list[str]:
    """Return the name of each address of the admin that is a page."""
    site = next(found for found in get_resolver().url_patterns if getattr(found, "namespace", "") == "admin")
    names = [name for name in site.reverse_dict if isinstance(name, str)]  # type: ignore[attr-defined]
    return [name for name in names if name not in NO_PAGES and not name.endswith(NO_PAGE_ENDS)]


def missing(visited: list[str]) -> list[str]:
    """Return the names of pages that none of the visited addresses shows."""
    seen = {resolve(address.partition("?")[0]).url_name for address in visited}
    return sorted(name for name in admin_pages() if name not in seen and not _is_elsewhere(name))


def _is_elsewhere(name: str) -> bool:
    """Whether Django's form for a table leads nowhere in the hub: nobody may add, or another page does."""
    return name.endswith("_add") and name not in NEW


#: Tables whose rows people make by a form of Django's kind.
NEW = tuple(
    f"{table}_add"
    for table in [
        "accounts_apikey",
        "accounts_membership",
        "accounts_organization",
        "auth_user",
        "events_eventtype",
        "events_route",
        "files_fileimport",
        "identity_invitation",
        "mapping_fieldmapping",
        "quality_qualityrule",
        "sync_recordtype",
        "sync_sync",
        "webhooks_subscription",
        "webhooks_webhookendpoint",
    ]
)


def everything(membership: Membership) -> dict[str, str]:
    """Make a row of everything in the member's organization; return the address of every page."""
    rows = _rows(membership)
    addresses = {"home": reverse("admin:index"), **menu()}
    addresses |= {name: reverse(f"admin:{name}") for name in NEW}
    for name, row in rows.items():
        opts = row._meta
        addresses[name] = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk])
    return addresses | _further(rows)


def _further(rows: dict[str, Any]) -> dict[str, str]:
    """Return the pages that have names of their own."""

    def of(name: str, row: str = "", *more: str) -> str:
        return reverse(f"admin:{name}", args=[*([rows[row].pk] if row else []), *more])

    edits = {
        f"edit-{name}": of(f"{rows[name]._meta.app_label}_{rows[name]._meta.model_name}_edit", name)
        for name in [
            "organization",
            "membership",
            "key",
            "invitation",
            "integration",
            "sync",
            "record_type",
            "import_mapping",
            "rule",
            "endpoint",
            "subscription",
        ]
    }
    return edits | {
        "connect": reverse("admin:connections_connect_provider", args=["slack"]),
        "connect-oauth": reverse("admin:connections_connect_provider", args=["hubspot"]),
        "account-question": of("connections_integration_account", "held"),
        "expiry": of("connections_expiry"),
        "resume-question": of("connections_integration_ask", "paused", "resume"),
        "switch-question": of("events_route_ask", "off", "toggle"),
        "replay-question": of("events_event_ask", "event", "replay"),
        "versions": of("mapping_fieldmapping_versions", "mapping"),
        "bulk-new": of("delivery_bulkrun_new"),
        "bulk-look": f"{of('delivery_bulkrun_new')}?organization={rows['organization'].pk}"
        "&deed=retry&state=failed",
        "send-event": of("events_event_send"),
        "endpoint-secrets": of("webhooks_webhookendpoint_secrets", "endpoint"),
        "signature": of("webhooks_webhookendpoint_signature", "endpoint"),
        "export": of("files_export"),
        "drifts": of("quality_drift_changelist"),
        "rules": of("quality_qualityrule_changelist"),
        "import-mappings": of("files_importmapping_changelist"),
        "user-password": of("auth_user_password_change", "user"),
        "nothing-found": f"{reverse('admin:events_event_changelist')}?q=nothing-has-this-id",
        "security": reverse("mfa_index"),
        "passkeys": reverse("mfa_list_webauthn"),
        "own-password": reverse("account_change_password"),
    }


def strangers() -> dict[str, str]:
    """Return the pages of those who have not signed in."""
    organization = make.OrganizationFactory()
    link = invite(organization, "guest@example.com", "operator", None).url
    return {
        "sign-in": reverse("admin:login"),
        "forgotten": reverse("account_reset_password"),
        "forgotten-sent": reverse("account_reset_password_done"),
        "inactive": reverse("account_inactive"),
        "invitation": link.removeprefix(settings.HUB.url),
        "invitation-gone": reverse("invitation", args=["gone"]),
        "cancelled": reverse("socialaccount_login_cancelled"),
        "sign-in-error": reverse("socialaccount_login_error"),
        "not-found": "/admin-of-something-else/",
    }


def _rows(membership: Membership) -> dict[str, Any]:
    """Make a row of everything; return each by its name."""
    organization = membership.organization
    integration = make.IntegrationFactory(
        organization=organization, provider_slug="stripe", name="Stripe", rate_count=5, rate_seconds=1
    )
    rows: dict[str, Any] = {
        "organization": organization,
        "membership": membership,
        "user": membership.user,
        "integration": integration,
    }
    rows |= _other_integrations(organization, membership.user)
    rows |= _flow(organization, integration)
    rows |= _records(organization, integration)
    endpoint = make.WebhookEndpointFactory(integration=integration)
    rows |= {
        "endpoint": endpoint,
        "received": make.ReceivedWebhookFactory(endpoint=endpoint),
        "subscription": make.subscription(organization)[0],
        "report": make.HealthReportFactory(organization=organization),
        "key": APIKey.issue(organization, "Shop", ["events:write"])[0],
        "invitation": invite(organization, "guest@example.com", "viewer", membership.user).invitation,
    }
    return rows | {"change": Entry.objects.filter(organization=organization).latest("pk")}


def _other_integrations(organization: Any, user: User) -> dict[str, Any]:
    """One that is held until somebody signs in again, and one that is paused with a queue."""
    held = make.IntegrationFactory(
        organization=organization,
        name="HubSpot",
        provider_slug="hubspot",
        status=Status.RECONNECT,
        sandbox=True,
        account_label="Portal 7",
        account_id="7",
    )
    PendingSwitch.objects.create(
        integration=held,
        user=user,
        change={"tokens": {}},
        account_label="Portal 14400000",
        expires_at=timezone.now() + timedelta(minutes=10),
    )
    paused = make.IntegrationFactory(
        organization=organization, name="Slack", provider_slug="slack", status=Status.PAUSED
    )
    ends = {"expires_at": timezone.now() + timedelta(days=5), "expires_by": "admin"}
    Credential.objects.filter(integration=paused).update(**ends)
    make.QueueItemFactory.create_batch(3, integration=paused, label="order.paid", subject="order-7")
    return {"held": held, "paused": paused}


def _flow(organization: Any, integration: Any) -> dict[str, Any]:
    """An event with a failed delivery and all that led there."""
    mapping = make.FieldMappingFactory(
        organization=organization,
        provider_slug="hubspot",
        action="contact.upsert",
        rules=[{"source": "data.total", "target": "phone", "transforms": [{"name": "to_minor_units"}]}],
    )
    route = make.RouteFactory(
        organization=organization, integration=integration, mapping=mapping, filter="data.total > `10`"
    )
    make.RouteFallbackFactory(route=route)
    off = make.RouteFactory(organization=organization, integration=integration, name="Later", enabled=False)
    decision = {"route": str(route.pk), "name": route.name, "outcome": QUEUED, "reason": ""}
    event = make.EventFactory(organization=organization, routing=[decision], data={"total": 12})
    item = make.QueueItemFactory(
        integration=integration,
        event=event,
        route_id=route.pk,
        state=State.FAILED,
        attempts=1,
        finished_at=timezone.now(),
        last_error="Refused.",
    )
    exchange = {"method": "POST", "url": f"{settings.HUB.url}/{'long' * 40}", "request_body": '{"a": 1}'}
    log = make.IntegrationLogFactory(
        integration=integration,
        item_id=item.pk,
        source_id=event.pk,
        attempt=1,
        outcome="permanent",
        message="Refused.",
        exchanges=[exchange],
    )
    run = make.BulkRunFactory(
        organization=organization,
        selection={"state": "failed", "integration": str(integration.pk), "label": "order.*"},
        state=BulkRun.State.CANCELLED,
        total=1000,
        looked_at=500,
        done=498,
        started_by="ann",
        finished_at=timezone.now(),
    )
    named = {"mapping": mapping, "route": route, "off": off, "event": event, "item": item, "log": log}
    return {**named, "event_type": make.EventTypeFactory(organization=organization), "bulk-run": run}


def _records(organization: Any, integration: Any) -> dict[str, Any]:
    """Records, a sync with a run and a conflict, a file, and what is known of their quality."""
    rows = records(organization, integration)
    sync = make.SyncFactory(
        type=rows["record_type"], integration=integration, cron="*/15 * * * *", time_zone="Europe/Berlin"
    )
    run = SyncRun.objects.create(
        organization=organization, sync=sync, state=RunState.RUNNING, total=200, created=40, rejected=1
    )
    run.rejected_rows.create(key="9", reason="The e-mail address is none.", row={"id": "9"})
    conflict = Conflict.objects.create(
        organization=organization,
        sync=sync,
        integration=integration,
        record=rows["record"],
        fields={"name": {"hub": "Anne", "provider": "Ann O."}},
    )
    return {**rows, "sync": sync, "sync-run": run, "conflict": conflict}
