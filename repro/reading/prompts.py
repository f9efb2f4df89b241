"""From a template and a class name to the words that a text tower reads."""

from __future__ import annotations


def with_article(name: str) -> str:
    """`airport_hangar` → `an airport hangar`: underscores are spaces, "an" before a, e, i, o and u (FLYP@215d5bb src/templates/utils.py)."""
    spoken = name.replace("_", " ")
    return f"{'an' if spoken[:1].lower() in 'aeiou' else 'a'} {spoken}"


def fill(template: str, name: str) -> str:
    """A template with `{}` or `{0}` for the name as it stands, `{1}` for the name with its article."""
    return template.format(name, with_article(name))
