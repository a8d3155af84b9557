"""Reports by mail: to the admins, once, and again only where the server did not take them."""

import smtplib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone

from hub.accounts.models import Role
from hub.connections.expiry import warn_expiring
from hub.connections.models import Credential, Integration
from hub.delivery.jobs import scheduled_jobs
from hub.metrics import mailing
from hub.metrics.models import HealthReport
from tests.factories import HealthReportFactory, IntegrationFactory, MembershipFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def mail_server(settings: Any) -> None:
    settings.HUB = replace(settings.HUB, sends_mail=True, url="https://hub.example.com")


@pytest.fixture
def report() -> HealthReport:
    made = HealthReportFactory(organization__name="Acme", summary="All is well.", text="Slack: well.\n")
    MembershipFactory(organization=made.organization, user__email="ann@example.com")
    return made


def refuse(*_: Any) -> None:
    raise ConnectionRefusedError("port 25")


def test_goes_to_each_admin_alone(report: HealthReport) -> None:
    MembershipFactory(organization=report.organization, user__email="bob@example.com")
    MembershipFactory(organization=report.organization, role=Role.OPERATOR)
    MembershipFactory(organization=report.organization, user__email="")
    MembershipFactory(organization=report.organization, user__is_active=False)
    MembershipFactory()

    assert mailing.mail_waiting() == 1

    assert [message.to for message in mail.outbox] == [["ann@example.com"], ["bob@example.com"]]
    assert mail.outbox[0].subject == "[Interchange] Acme: All is well."
    assert "Slack: well." in mail.outbox[0].body
    assert f"https://hub.example.com/admin/metrics/healthreport/{report.pk}/change/" in mail.outbox[0].body
    report.refresh_from_db()
    assert report.mail_note == "Mailed to 2 admins."


def test_goes_once(report: HealthReport) -> None:
    assert [mailing.mail_waiting() for _ in range(3)] == [1, 0, 0]
    assert len(mail.outbox) == 1


def test_without_a_server_nothing_is_tried(report: HealthReport, settings: Any) -> None:
    settings.HUB = replace(settings.HUB, sends_mail=False)

    assert mailing.mail_waiting() == 0
    assert mail.outbox == []


def test_without_an_address_the_page_says_so() -> None:
    report = HealthReportFactory()

    mailing.mail_waiting()

    report.refresh_from_db()
    assert report.mail_note == "Not mailed: no admin has an e-mail address."
    assert mail.outbox == []


def test_a_server_that_is_away_gets_it_the_next_time(
    report: HealthReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    HealthReportFactory(organization=MembershipFactory().organization)
    with monkeypatch.context() as patch:
        patch.setattr(EmailBackend, "send_messages", refuse)
        assert mailing.mail_waiting() == 0
    report.refresh_from_db()
    assert "could not be mailed yet" in report.mail_note

    assert mailing.mail_waiting() == 2
    assert len(mail.outbox) == 2


def test_an_address_that_is_refused_keeps_nobody_else_from_it(
    report: HealthReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    MembershipFactory(organization=report.organization, user__email="aaa@gone.example.com")
    send = EmailBackend.send_messages

    def refuse_one(self: EmailBackend, messages: list[Any]) -> int:
        if "gone" in messages[0].to[0]:
            raise smtplib.SMTPRecipientsRefused({})
        return send(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", refuse_one)
    mailing.mail_waiting()

    report.refresh_from_db()
    assert report.mail_note == "Mailed to 1 admin. The server refused 1 address."
    assert [message.to for message in mail.outbox] == [["ann@example.com"]]


def test_old_news_is_not_mailed(report: HealthReport) -> None:
    HealthReport.objects.update(created_at=timezone.now() - timedelta(days=1))

    assert mailing.mail_waiting() == 0


def test_a_header_cannot_be_smuggled_into_the_subject(report: HealthReport) -> None:
    report.organization.name = "Acme\r\nBcc: eve@example.com"
    report.organization.save()

    mailing.mail_waiting()

    assert "\n" not in mail.outbox[0].subject


def test_the_job_writes_and_mails() -> None:
    member = MembershipFactory(user__email="ann@example.com")
    type(member.organization).objects.update(created_at=timezone.now() - timedelta(days=3))

    scheduled_jobs()["health report"].run()
    scheduled_jobs()["health report"].run()

    assert len(mail.outbox) == 1
    assert "No integration is connected yet." in mail.outbox[0].body


class TestTheEndOfACredential:
    @pytest.fixture
    def billing(self) -> Integration:
        row: Integration = IntegrationFactory(name="Billing", organization__name="Acme")
        MembershipFactory(organization=row.organization, user__email="ann@example.com")
        Credential.objects.filter(integration=row).update(expires_at=timezone.now() + timedelta(days=5))
        return row

    def test_is_mailed_to_the_admins_once(self, billing: Integration) -> None:
        warn_expiring()
        warn_expiring()
        (message,) = mail.outbox
        assert message.to == ["ann@example.com"]
        assert message.subject.startswith("[Interchange] Acme: Billing: The credential ends on ")
        page = f"https://hub.example.com/admin/connections/integration/{billing.pk}/change/"
        assert page in message.body

    def test_waits_for_no_mail_server(
        self, billing: Integration, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(EmailBackend, "send_messages", refuse)
        assert warn_expiring() == 1
        Credential.objects.update(warned_days=None)
        settings.HUB = replace(settings.HUB, sends_mail=False)
        monkeypatch.undo()
        warn_expiring()
        assert mail.outbox == []
