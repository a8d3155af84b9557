"""Other people's words beside ours."""

from hub.lib.sentences import cut, ended


def test_a_sentence_ends_once() -> None:
    assert [ended(text) for text in ("Gone", "Gone.", "Gone?", "Go…")] == ["Gone.", "Gone.", "Gone?", "Go…"]


def test_what_is_cut_says_so() -> None:
    assert cut("  short ", 5) == "short"
    assert cut("a longer text", 9) == "a longer…"
    assert len(cut("x" * 1000, 300)) == 300
