"""Uploads, how their columns are read, and what came of them."""

from django.conf import settings
from django.db import models

from hub.accounts.models import Organization
from hub.lib.ids import uuid7
from hub.lib.models import Timestamped
from hub.sync.models import RecordType


class Kind(models.TextChoices):
    """Kinds of files."""

    CSV = "csv", "CSV"
    NDJSON = "ndjson", "NDJSON"
    XLSX = "xlsx", "Excel (XLSX)"


class ImportMapping(Timestamped):
    """How files of one shape become records of one type; found again by the names of the columns."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    type = models.ForeignKey(RecordType, models.CASCADE, related_name="import_mappings")
    name = models.CharField(max_length=120)
    shape = models.CharField(max_length=32, editable=False, help_text="Of the names of the columns.")
    columns = models.JSONField(default=list, help_text="A list of {column, field, kind}.")
    replace = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["type", "shape"], name="import_mapping_once")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ImportState(models.TextChoices):
    """Where an import stands."""

    UPLOADING = "uploading", "Uploading"
    UPLOADED = "uploaded", "Waiting for you"
    PENDING = "pending", "Waiting for a worker"
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class FileImport(models.Model):
    """A file on its way into records.

    ``cursor`` counts the rows that are settled: an import that is taken up again passes over them.
    ``fence`` grows with every claim: who holds an older one settles nothing.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    type = models.ForeignKey(RecordType, models.CASCADE, related_name="file_imports")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    name = models.CharField("file", max_length=200)
    kind = models.CharField(max_length=6, choices=Kind.choices)
    size = models.PositiveBigIntegerField(default=0, help_text="Bytes, as it came.")
    encoding = models.CharField(max_length=20, blank=True)
    separator = models.CharField(max_length=1, blank=True)
    sheet = models.CharField(max_length=60, blank=True)
    columns = models.JSONField(default=list, help_text="A list of {column, field, kind}.")
    preset = models.CharField(
        "comes from", max_length=30, blank=True, default="", db_default="", help_text="Empty: any system."
    )
    replace = models.BooleanField(
        default=False, help_text="A row replaces its record; else fields without a column stay."
    )
    mapping = models.ForeignKey(ImportMapping, models.SET_NULL, null=True, related_name="+")

    state = models.CharField(max_length=10, choices=ImportState.choices, default=ImportState.UPLOADING)
    cursor = models.PositiveBigIntegerField(default=0)
    percent = models.PositiveSmallIntegerField(default=0)
    created = models.PositiveBigIntegerField(default=0)
    updated = models.PositiveBigIntegerField(default=0)
    unchanged = models.PositiveBigIntegerField(default=0)
    rejected = models.PositiveBigIntegerField(default=0)
    message = models.CharField(max_length=1000, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "file import"
        indexes = [
            models.Index(fields=["organization", "-id"], name="import_of_organization"),
            models.Index(
                fields=["state"], name="import_open", condition=models.Q(state__in=["pending", "running"])
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def done(self) -> int:
        """Rows looked at so far."""
        return self.created + self.updated + self.unchanged + self.rejected


class FileChunk(models.Model):
    """A part of an uploaded file."""

    id = models.BigAutoField(primary_key=True)
    file = models.ForeignKey(FileImport, models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["file", "number"], name="chunk_once")]

    def __str__(self) -> str:
        return f"{self.file_id} {self.number}"


class RejectedFileRow(models.Model):
    """A row of a file that was not taken, and why; ``cells`` in the order of the columns."""

    id = models.BigAutoField(primary_key=True)
    file = models.ForeignKey(FileImport, models.CASCADE, related_name="rejected_rows")
    line = models.PositiveBigIntegerField()
    reason = models.CharField(max_length=1000)
    cells = models.JSONField(default=list)

    class Meta:
        indexes = [models.Index(fields=["file", "id"], name="rejected_of_file")]

    def __str__(self) -> str:
        return f"{self.line}: {self.reason}"
