"""The switch of the demo's traffic."""

from django.db import models

from hub.accounts.models import Organization
from hub.lib.models import Timestamped


class DemoTraffic(Timestamped):
    """Sample events and webhooks for one organization, until somebody switches them off."""

    organization = models.OneToOneField(Organization, models.CASCADE, related_name="demo_traffic")
    running = models.BooleanField(
        default=True, help_text="Send a sample event about every minute, and now and then a signed webhook."
    )

    class Meta:
        verbose_name = verbose_name_plural = "demo traffic"

    def __str__(self) -> str:
        return f"Demo traffic of {self.organization}: {'on' if self.running else 'off'}"
