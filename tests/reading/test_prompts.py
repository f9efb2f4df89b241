import pytest

from repro.reading.prompts import fill, with_article


@pytest.mark.parametrize(
    ("template", "name", "words"),
    [
        ("a photo of {}.", "airport_hangar", "a photo of airport_hangar."),
        ("satellite photo of a {0}.", "airport_hangar", "satellite photo of a airport_hangar."),
        ("satellite photo of {1}.", "airport_hangar", "satellite photo of an airport hangar."),
        ("aerial photo of {1}.", "multi-unit_residential", "aerial photo of a multi-unit residential."),
        ("{}.", "zoo", "zoo."),
    ],
)
def test_fill(template, name, words):
    assert fill(template, name) == words


def test_articles_go_by_the_first_letter():
    assert [with_article(word) for word in ("office_building", "Unknown", "zoo")] == ["an office building", "an Unknown", "a zoo"]
