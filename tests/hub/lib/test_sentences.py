"""Other people's words beside ours."""

from hub.lib.sentences import advised, cut, ended, plural


def test_a_sentence_ends_once() -> None:
    assert [ended(text) for text in ("Gone", "Gone.", "Gone?", "Go…")] == ["Gone.", "Gone.", "Gone?", "Go…"]


def test_advice_begins_a_sentence_of_its_own() -> None:
    assert advised("Bad key", "Enter it again.") == "Bad key. Enter it again."
    assert advised("It is down.", "") == "It is down."
    assert advised("", "Wait.") == "Wait."


def test_what_is_cut_says_so() -> None:
    assert cut("  short ", 5) == "short"
    assert cut("a longer text", 9) == "a longer…"
    assert len(cut("x" * 1000, 300)) == 300


def test_a_number_agrees_with_its_word() -> None:
    assert [plural(count, "row") for count in (0, 1, 2000)] == ["0 rows", "1 row", "2,000 rows"]
    assert plural(1, "was left", "were left") == "1 was left"
    assert plural(2, "was left", "were left") == "2 were left"
