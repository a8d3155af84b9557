"""Mails health reports, and the ends of credentials, to the admins of their organization, each once."""

import logging
import smtplib
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage, get_connection
from django.urls import reverse
from django.utils import timezone

from hub.accounts.models import Organization, Role
from hub.connections.models import Integration
from hub.lib.sentences import plural
from hub.metrics.models import HealthReport
from hub.metrics.report import page_url

logger = logging.getLogger(__name__)

#: A report that could not be mailed for so long is old news.
TRIED_FOR = timedelta(hours=20)


def mail_waiting() -> int:
    """Mail the new reports; return how many went out. Does nothing where no mail server is set.

    A report is taken on before it is sent, so that two schedulers send it once; after an error it
    waits for the next time. At the first error the rest waits too: the server is likely the cause.
    """
    if not settings.HUB.sends_mail:
        return 0
    since = timezone.now() - TRIED_FOR
    waiting = HealthReport.objects.filter(mailed_at__isnull=True, created_at__gte=since)
    sent = 0
    for report in waiting.select_related("organization").order_by("pk"):
        if not HealthReport.objects.filter(pk=report.pk, mailed_at__isnull=True).update(
            mailed_at=timezone.now()
        ):
            continue
        try:
            report.mail_note = _mail(report)
        except (OSError, smtplib.SMTPException) as error:
            logger.warning("The health report of %s could not be mailed: %s", report.organization, error)
            note = "It could not be mailed yet: the mail server refused it or did not answer."
            HealthReport.objects.filter(pk=report.pk).update(mailed_at=None, mail_note=note)
            break
        report.save(update_fields=["mail_note"])
        sent += 1
    return sent


def recipients(organization_id: int) -> list[str]:
    """Return the addresses of an organization's active admins."""
    users = get_user_model()._default_manager.filter(
        is_active=True, memberships__organization=organization_id, memberships__role=Role.ADMIN
    )
    return sorted({user.email for user in users if user.email})


def warn_of_expiry(sender: Any, *, integration: Integration, message: str, **_: Any) -> None:
    """Mail the admins that a credential ends; a server that does not take it is no reason to stop."""
    if not settings.HUB.sends_mail:
        return
    page = settings.HUB.url + reverse("admin:connections_integration_change", args=[integration.pk])
    body = f"{integration}: {message}\n\nRenew it at the provider and enter it here: {page}\n"
    try:
        mail_admins(integration.organization, f"{integration}: {message}", body)
    except (OSError, smtplib.SMTPException) as error:
        logger.warning("The end of the credential of %s could not be mailed: %s", integration, error)


def _mail(report: HealthReport) -> str:
    """Send one report, to each admin alone; return what the report's page says about it."""
    body = f"{report.text}\nThe report with links: {page_url(report)}\n"
    return mail_admins(report.organization, report.summary, body)


def mail_admins(organization: Organization, summary: str, body: str) -> str:
    """Mail each admin alone; return what came of it as a sentence; raise where the server fails."""
    addresses = recipients(organization.pk)
    if not addresses:
        return "Not mailed: no admin has an e-mail address."
    # A name may hold a line break; a subject may not.
    subject = " ".join(f"[Interchange] {organization.name}: {summary}".split())[:200]
    refused = 0
    with get_connection() as connection:
        for address in addresses:
            try:
                connection.send_messages([EmailMessage(subject, body, None, [address])])
            except (smtplib.SMTPRecipientsRefused, ValueError):
                refused += 1
    note = f"Mailed to {plural(len(addresses) - refused, 'admin')}."
    return f"{note} The server refused {plural(refused, 'address', 'addresses')}." if refused else note
