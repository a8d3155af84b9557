from django.db import migrations, models

from hub.lib.migrations import AddIndexQuietly


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('accounts', '0004_quotas'),
        ('events', '0008_origin_of_alerts'),
    ]

    operations = [
        AddIndexQuietly(
            model_name='event',
            index=models.Index(condition=models.Q(('origin', 'api'), _negated=True), fields=['organization', 'origin', '-id'], name='event_by_origin'),
        ),
    ]
