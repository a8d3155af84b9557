import django.db.models.deletion
from django.db import migrations, models

from hub.lib.migrations import AddIndexQuietly, DropIndexOf


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('accounts', '0003_two_factors_and_networks'),
        ('connections', '0005_pending_switches'),
        ('delivery', '0007_failed_by_integration'),
        ('mapping', '0002_versions'),
    ]

    operations = [
        AddIndexQuietly(
            model_name='queueitem',
            index=models.Index(condition=models.Q(('mapping__isnull', False)), fields=['mapping'], name='queue_mapping'),
        ),
        AddIndexQuietly(
            model_name='queueitem',
            index=models.Index(condition=models.Q(('replay_of__isnull', False)), fields=['replay_of'], name='queue_replay'),
        ),
        AddIndexQuietly(
            model_name='queueitem',
            index=models.Index(condition=models.Q(('external_id', ''), _negated=True), fields=['external_id'], name='queue_external', opclasses=['varchar_pattern_ops']),
        ),
        DropIndexOf(
            model_name='integrationlog',
            name='integration',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='logs', to='connections.integration'),
        ),
        DropIndexOf(
            model_name='integrationlog',
            name='organization',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='accounts.organization'),
        ),
        DropIndexOf(
            model_name='queueitem',
            name='external_id',
            field=models.CharField(blank=True, max_length=200),
        ),
        DropIndexOf(
            model_name='queueitem',
            name='mapping',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, to='mapping.fieldmapping'),
        ),
        DropIndexOf(
            model_name='queueitem',
            name='organization',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='accounts.organization'),
        ),
        DropIndexOf(
            model_name='queueitem',
            name='replay_of',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='replays', to='delivery.queueitem'),
        ),
    ]
