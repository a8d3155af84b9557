from django.db import migrations, models

from hub.lib.migrations import AddIndexQuietly


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("events", "0005_several_patterns")]

    operations = [
        AddIndexQuietly(
            model_name="event",
            index=models.Index(
                fields=["organization", "subject"],
                name="event_by_subject",
                opclasses=["int8_ops", "varchar_pattern_ops"],
            ),
        ),
    ]
