import django.db.models.deletion
from django.db import migrations, models

from hub.lib.migrations import DropIndexOf


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('accounts', '0003_two_factors_and_networks'),
        ('events', '0006_events_by_subject'),
    ]

    operations = [
        DropIndexOf(
            model_name='event',
            name='organization',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='events', to='accounts.organization'),
        ),
    ]
