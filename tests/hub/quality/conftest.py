"""A record type with some rules."""

from typing import Any

import pytest

from hub.quality import checking
from hub.quality.models import QualityCheck, QualityRule
from hub.sync.models import RecordType
from tests.factories import RecordTypeFactory


@pytest.fixture
def clients(db: Any) -> RecordType:
    return RecordTypeFactory(name="client", subject_field="name")


def rule(kind: RecordType, field: str, which: str, **more: Any) -> QualityRule:
    return QualityRule.objects.create(type=kind, field=field, kind=which, **more)


def check(kind: RecordType) -> QualityCheck:
    """Check everything that is due, and return the type's check."""
    checking.work(longest=30)
    return QualityCheck.objects.get(type=kind)
