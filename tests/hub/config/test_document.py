"""Reading a document: every mistake is found, and named by its place in the file."""

import pytest

from hub.config.document import ConfigError, read_document


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_document(text)
    return [str(mistake) for mistake in caught.value.mistakes]


def test_the_smallest_document() -> None:
    document = read_document("organization: {slug: acme}")
    assert document.organization.slug == "acme"
    assert document.routes == []


@pytest.mark.parametrize("text", ["", "- a\n- b", "just words", "42"])
def test_a_file_that_is_no_object(text: str) -> None:
    assert "organization:" in mistakes(text)[0]


def test_broken_yaml_names_line_and_column() -> None:
    assert mistakes("organization: {slug: acme\nroutes: ]")[0].startswith("line 2, column")


def test_yaml_makes_no_objects() -> None:
    assert "no valid YAML" in mistakes("organization: !!python/object/apply:os.getcwd []")[0]


def test_every_mistake_is_named_with_its_place() -> None:
    found = mistakes(
        """
        organization: {slug: "no spaces"}
        integrations:
          - {slug: a, provider: http}
          - {slug: b, provider: http, limits: {rate_count: 0}}
        routes:
          - {slug: r, events: "*", integration: a, action: http.send, prioritty: high}
          - {slug: s, events: "*", action: http.send, priority: highest}
        """
    )
    places = {mistake.split(":")[0] for mistake in found}
    assert places == {
        "organization.slug",
        "integrations[1].limits.rate_count",
        "routes[0].prioritty",
        "routes[1].integration",
        "routes[1].priority",
    }
    assert any("check the spelling" in mistake for mistake in found)


def test_a_slug_used_twice_is_refused() -> None:
    text = "organization: {slug: acme}\nmappings: [{slug: m}, {slug: n}, {slug: m}]"
    assert mistakes(text) == ["mappings[2].slug: 'm' is used by mappings[0] already"]
