import django.db.models.deletion
from django.db import migrations, models

from hub.lib.migrations import DropForeignKey, DropIndexOf


class Migration(migrations.Migration):
    """Of what begins with the same column one index is enough; an organization is its endpoint's."""

    atomic = False

    dependencies = [
        ('accounts', '0004_quotas'),
        ('webhooks', '0004_repetitions'),
    ]

    operations = [
        DropIndexOf(
            model_name='receivedwebhook',
            name='endpoint',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='received', to='webhooks.webhookendpoint'),
        ),
        DropIndexOf(
            model_name='receivedwebhook',
            name='organization',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='accounts.organization'),
        ),
        DropForeignKey(
            model_name='receivedwebhook',
            name='organization',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, to='accounts.organization'),
        ),
    ]
