"""Field mappings: how an event becomes the input of an action."""

from django.db import models

from hub.accounts.models import Organization
from hub.lib.models import Timestamped


class FieldMapping(Timestamped):
    """Ordered rules from an event to an action's input.

    ``rules`` is a list of ``{"source": JMESPath, "transforms": [{"name": …, …options}],
    "target": field, "required": bool}``. ``target`` may be dotted (``properties.email``).
    """

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="mappings")
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=60)
    provider_slug = models.CharField("provider", max_length=60, blank=True)
    action = models.CharField(max_length=80, blank=True)
    rules = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "slug"], name="mapping_slug_once")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
