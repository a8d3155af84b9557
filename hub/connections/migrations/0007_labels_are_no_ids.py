from django.db import migrations
from django.db.models import F


def forget_labels(apps, schema_editor):
    """A label stood in for an id where none was told; it would be taken for another account's now."""
    rows = apps.get_model("connections", "Integration").objects.exclude(account_id="")
    rows.filter(account_id=F("account_label")).update(account_id="")


class Migration(migrations.Migration):

    dependencies = [
        ("connections", "0006_how_a_test_failed"),
    ]

    operations = [
        migrations.RunPython(forget_labels, migrations.RunPython.noop, elidable=True),
    ]
