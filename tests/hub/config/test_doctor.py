"""manage.py doctor: what it says about a deployment."""

import dataclasses
import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from hub.config import doctor
from hub.config.doctor import database, environment, processes, services
from hub.config.doctor.finding import Finding, Level
from hub.delivery import beats
from hub.delivery.models import State, WorkerBeat
from hub.lib.keyring import new_key
from tests.factories import QueueItemFactory

pytestmark = pytest.mark.django_db

Change = Callable[..., None]


@pytest.fixture
def hub(settings: Any, tmp_path: Path) -> Change:
    """Change fields of the hub's settings; its folder is a fresh one."""

    def change(**fields: Any) -> None:
        settings.HUB = dataclasses.replace(settings.HUB, **fields)

    tmp_path.chmod(0o700)
    settings.STATIC_ROOT = tmp_path
    change(home=tmp_path)
    return change


def worst(findings: Any) -> Level:
    levels = [finding.level for finding in findings]
    return max(levels, key=list(Level).index)


def sentences(findings: Any) -> str:
    return " ".join(f"{finding.message} {finding.remedy}" for finding in findings)


class TestCommand:
    def run(self, *arguments: str) -> tuple[int, str]:
        out = io.StringIO()
        try:
            call_command("doctor", *arguments, stdout=out)
        except SystemExit as end:
            return int(str(end.code)), out.getvalue()
        return 0, out.getvalue()

    def only(self, monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
        monkeypatch.setattr(doctor, "CHECKS", {"a check": lambda: findings})

    def test_a_problem_ends_with_one_and_says_what_to_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.only(monkeypatch, Finding("disk", Level.PROBLEM, "It is full.", "Make room."))
        code, text = self.run()
        assert code == 1
        assert "PROBLEM disk: It is full." in text
        assert "→ Make room." in text

    def test_advice_alone_is_no_failure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.only(monkeypatch, Finding("e-mail", Level.ADVICE, "None.", "Set it."))
        assert self.run()[0] == 0

    def test_json_for_machines(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.only(monkeypatch, Finding("disk", Level.PROBLEM, "It is full.", "Make room."))
        code, text = self.run("--json")
        assert code == 1
        assert json.loads(text) == {
            "ok": False,
            "findings": [
                {"check": "disk", "level": "problem", "message": "It is full.", "remedy": "Make room."}
            ],
        }

    def test_a_check_that_fails_is_a_problem_and_hides_no_other(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken() -> Any:
            raise RuntimeError("boom")

        fine = Finding("fine", Level.OK, "Fine.")
        monkeypatch.setattr(doctor, "CHECKS", {"broken": broken, "fine": lambda: [fine]})
        first, second = doctor.examine()
        assert (first.check, first.level) == ("broken", Level.PROBLEM)
        assert "boom" in first.message
        assert second == fine

    def test_every_check_runs_here_and_shows_no_secret(self, hub: Change, settings: Any) -> None:
        _, text = self.run("--json")
        found = json.loads(text)["findings"]
        assert {finding["check"] for finding in found} >= set(doctor.CHECKS) - {"clock", "Redis", "replica"}
        assert "Could not be checked" not in text
        assert settings.HUB.encryption_keys[0] not in text
        assert settings.SECRET_KEY not in text


class TestEnvironment:
    def test_debug(self, settings: Any) -> None:
        settings.DEBUG = True
        assert worst(environment.debug()) == Level.PROBLEM

    @pytest.mark.parametrize(
        ("key", "level"), [("short", Level.PROBLEM), ("a" * 60, Level.PROBLEM), ("abcdefgh" * 8, Level.OK)]
    )
    def test_secret_key(self, settings: Any, key: str, level: Level) -> None:
        settings.SECRET_KEY = key
        assert worst(environment.secret_key()) == level

    @pytest.mark.parametrize(
        ("url", "level"),
        [
            ("https://hub.example.com", Level.OK),
            ("http://hub.example.com", Level.PROBLEM),
            ("http://localhost:8000", Level.ADVICE),
        ],
    )
    def test_address(self, hub: Change, url: str, level: Level) -> None:
        hub(url=url)
        assert worst(environment.address()) == level

    @pytest.mark.parametrize(
        ("hosts", "level"),
        [
            (["hub.example.com"], Level.OK),
            ([".example.com"], Level.OK),
            (["localhost"], Level.PROBLEM),
            (["*"], Level.PROBLEM),
        ],
    )
    def test_allowed_hosts(self, hub: Change, settings: Any, hosts: list[str], level: Level) -> None:
        hub(url="https://hub.example.com")
        settings.ALLOWED_HOSTS = hosts
        assert worst(environment.allowed_hosts()) == level

    def test_a_key_that_others_may_read(self, hub: Change, tmp_path: Path) -> None:
        path = tmp_path / "encryption.key"
        path.write_text("x")
        path.chmod(0o644)
        assert "chmod 600" in sentences(environment.encryption_keys())
        path.chmod(0o600)
        assert worst(environment.encryption_keys()) == Level.OK

    def test_no_key_at_all(self, hub: Change) -> None:
        hub(encryption_keys=())
        assert "newkey" in sentences(environment.encryption_keys())

    def test_a_folder_that_others_may_enter_and_no_style_sheets(
        self, hub: Change, settings: Any, tmp_path: Path
    ) -> None:
        assert worst(environment.files()) == Level.OK
        tmp_path.chmod(0o755)
        settings.STATIC_ROOT = tmp_path / "none"
        told = sentences(environment.files())
        assert "chmod 700" in told
        assert "collectstatic" in told

    def test_a_disk_that_is_nearly_full(self, hub: Change, monkeypatch: pytest.MonkeyPatch) -> None:
        full = type("Usage", (), {"total": 100 * 1024**3, "free": 1024**2})
        monkeypatch.setattr(environment.shutil, "disk_usage", lambda path: full)
        assert worst(environment.disk()) == Level.PROBLEM

    def test_mail(self, hub: Change, settings: Any) -> None:
        hub(sends_mail=False)
        assert worst(environment.email()) == Level.ADVICE
        hub(sends_mail=True)
        assert worst(environment.email()) == Level.OK
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
        assert worst(environment.email()) == Level.PROBLEM


class TestDatabase:
    def test_celery_over_sqlite(self, hub: Change) -> None:
        if database.connection.vendor != "sqlite":
            return
        hub(broker_url="redis://localhost")
        assert worst(database.kind()) == Level.PROBLEM

    def test_a_network_file_system_is_recognised(self, tmp_path: Path) -> None:
        mounts = tmp_path / "mounts"
        mounts.write_text(f"/dev/a / ext4 rw 0 0\nserver:/x {tmp_path}/share nfs4 rw 0 0\n")
        assert database.filesystem_of(tmp_path / "share" / "hub.sqlite3", mounts) == "nfs4"
        assert database.filesystem_of(tmp_path / "hub.sqlite3", mounts) == "ext4"
        assert database.filesystem_of(tmp_path, tmp_path / "none") == ""

    def test_migrations(self) -> None:
        assert worst(database.migrations()) == Level.OK


class TestServices:
    def test_a_broker_that_is_away(self, hub: Change) -> None:
        hub(broker_url="redis://:hidden-word@127.0.0.1:1/0")
        told = list(services.broker())
        assert worst(told) == Level.PROBLEM
        assert "hidden-word" not in sentences(told)

    def test_several_workers_without_a_common_count(self, hub: Change) -> None:
        hub(broker_url="amqp://localhost", redis_url="")
        assert "HUB_REDIS_URL" in sentences(services.redis())

    def test_several_workers_without_a_broker_do_not_count_together_either(self, hub: Change) -> None:
        hub(broker_url="", redis_url="")
        beats.Pulse("worker-1", lambda: 0).turn()
        assert list(services.redis()) == []
        beats.Pulse("worker-2", lambda: 0).turn()
        assert worst(services.redis()) == Level.PROBLEM

    def test_redis_that_is_away(self, hub: Change) -> None:
        hub(redis_url="redis://127.0.0.1:1/0")
        assert worst(services.redis()) == Level.PROBLEM

    def test_embedded_needs_neither(self, hub: Change) -> None:
        hub(broker_url="", redis_url="")
        assert worst(services.broker()) == Level.OK
        assert list(services.redis()) == []


class TestProcesses:
    def test_no_worker(self) -> None:
        assert worst(processes.workers()) == Level.PROBLEM

    def test_workers_alike(self) -> None:
        beats.Pulse("worker-1", lambda: 0).turn()
        assert [finding.level for finding in processes.workers()] == [Level.OK]

    def test_an_older_version_beside_is_told(self) -> None:
        beats.Pulse("worker-1", lambda: 0).turn()
        WorkerBeat.objects.update(version="0.0.9")
        assert "0.0.9" in sentences(processes.workers())

    def test_a_worker_with_other_keys(self, hub: Change) -> None:
        beats.Pulse("worker-1", lambda: 0).turn()
        hub(encryption_keys=(new_key(),))
        told = list(processes.workers())
        assert worst(told) == Level.PROBLEM
        assert "worker-1" in sentences(told)

    def test_what_nobody_sweeps(self) -> None:
        QueueItemFactory(state=State.PROCESSING, lease_until=timezone.now() - timedelta(hours=1))
        assert worst(processes.scheduler()) == Level.PROBLEM

    def test_beat(self, hub: Change) -> None:
        hub(broker_url="redis://localhost")
        assert worst(processes.scheduler()) == Level.PROBLEM
        every = IntervalSchedule.objects.create(every=15, period="seconds")
        sweep = PeriodicTask.objects.create(
            name="interchange: sweep", task="x", interval=every, last_run_at=timezone.now()
        )
        assert worst(processes.scheduler()) == Level.OK
        sweep.enabled = False
        sweep.save()
        assert worst(processes.scheduler()) == Level.PROBLEM

    def test_a_beat_that_began_just_now_has_not_told_yet_what_it_did(self, hub: Change) -> None:
        hub(broker_url="redis://localhost")
        every = IntervalSchedule.objects.create(every=15, period="seconds")
        PeriodicTask.objects.create(name="interchange: sweep", task="x", interval=every)
        assert worst(processes.scheduler()) == Level.OK
        PeriodicTask.objects.update(date_changed=timezone.now() - timedelta(minutes=11))
        assert worst(processes.scheduler()) == Level.PROBLEM

    def test_items_that_nobody_takes(self) -> None:
        assert worst(processes.deliveries()) == Level.OK
        QueueItemFactory(due_at=timezone.now() - timedelta(minutes=5))
        assert worst(processes.deliveries()) == Level.PROBLEM
