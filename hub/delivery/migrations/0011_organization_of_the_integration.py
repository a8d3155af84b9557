import django.db.models.deletion
from django.db import migrations, models

from hub.lib.migrations import DropForeignKey


class Migration(migrations.Migration):
    """An item's and an entry's organization is their integration's, whose key is checked."""

    atomic = False

    dependencies = [
        ('accounts', '0004_quotas'),
        ('delivery', '0010_what_is_tried_again'),
    ]

    operations = [
        DropForeignKey(
            model_name='integrationlog',
            name='organization',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, to='accounts.organization'),
        ),
        DropForeignKey(
            model_name='queueitem',
            name='organization',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, to='accounts.organization'),
        ),
    ]
