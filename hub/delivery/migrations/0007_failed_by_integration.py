from django.db import migrations, models

from hub.lib.migrations import AddIndexQuietly


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("delivery", "0006_bulk_runs")]

    operations = [
        AddIndexQuietly(
            model_name="queueitem",
            index=models.Index(
                fields=["organization", "integration"],
                name="queue_failed",
                condition=models.Q(state="failed"),
            ),
        ),
    ]
