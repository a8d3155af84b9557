from django.db import migrations, models

from hub.lib.migrations import AddIndexQuietly


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('delivery', '0004_index_of_problems'),
    ]

    operations = [
        migrations.AddField(
            model_name='queueitem',
            name='sequence',
            field=models.UUIDField(blank=True, null=True),
        ),
        AddIndexQuietly(
            model_name='queueitem',
            index=models.Index(condition=models.Q(('sequence__isnull', False), ('state__in', ['pending', 'processing'])), fields=['sequence', 'created_at'], name='queue_sequence'),
        ),
    ]
