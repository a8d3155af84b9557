from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("metrics", "0003_organization_hours"),
    ]

    operations = [
        migrations.AddField(
            model_name="totalfigures",
            name="rate_held_ms",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
    ]
