from django.db import migrations, models

from hub.lib.migrations import AddIndexQuietly


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('accounts', '0004_quotas'),
        ('connections', '0006_how_a_test_failed'),
        ('delivery', '0009_rare_kinds_and_priorities'),
        ('mapping', '0002_versions'),
    ]

    operations = [
        AddIndexQuietly(
            model_name='queueitem',
            index=models.Index(condition=models.Q(('attempts__gt', 0), ('state', 'pending'), models.Q(('last_error', ''), _negated=True)), fields=['organization', '-id'], name='queue_tried'),
        ),
    ]
