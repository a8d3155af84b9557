from django.db import migrations, models

from hub.lib.migrations import AddIndexQuietly


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('accounts', '0004_quotas'),
        ('connections', '0006_how_a_test_failed'),
        ('delivery', '0008_fewer_indexes'),
        ('mapping', '0002_versions'),
    ]

    operations = [
        AddIndexQuietly(
            model_name='integrationlog',
            index=models.Index(condition=models.Q(('kind', 'delivery'), _negated=True), fields=['organization', 'kind', '-id'], name='log_kind'),
        ),
        AddIndexQuietly(
            model_name='integrationlog',
            index=models.Index(condition=models.Q(('outcome', 'ok'), _negated=True), fields=['integration', '-id'], name='log_problems_of'),
        ),
        AddIndexQuietly(
            model_name='queueitem',
            index=models.Index(condition=models.Q(('priority', 0), _negated=True), fields=['organization', 'priority', '-id'], name='queue_priority'),
        ),
    ]
