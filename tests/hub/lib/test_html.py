"""Small pieces of HTML: what is kept of them is never taken for something else."""

from datetime import UTC, datetime

from django.utils.safestring import SafeString

from hub.lib.html import badge, moment


def test_a_badge_that_is_remembered_keeps_text_apart_from_html() -> None:
    assert "<b>7</b>" in badge(SafeString("<b>7</b>"))
    assert "&lt;b&gt;7&lt;/b&gt;" in badge("<b>7</b>")
    assert "<b>7</b>" in badge(SafeString("<b>7</b>"))


def test_a_time_says_the_day_the_clock_and_the_zone() -> None:
    said = moment(datetime(2026, 9, 5, 7, 3, 1, tzinfo=UTC), full=True)
    assert 'title="5 Sep 2026, 07:03:01 UTC"' in said
