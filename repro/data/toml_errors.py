"""From a rejected TOML file to the sentence a reader can act on: file, line, field, and the nearest field that exists."""

from __future__ import annotations

import re
import typing
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from repro.errors import UserError, nearest

Location = Sequence[str | int]
_ANY_HEADER = re.compile(r"\s*\[\[?\s*[\w\"'.-]+\s*\]\]?\s*(#.*)?$")


def explain(error: ValidationError, text: str, path: Path, model: type[BaseModel]) -> UserError:
    """The plainest fault of `error` as a `UserError`; `text` is the content of `path`, read as a `model`."""
    faults = error.errors(include_url=False, include_context=False)
    # A misspelled field is both unknown and missing: the misspelling is what the reader must see.
    fault = next((fault for fault in faults if fault["type"] == "extra_forbidden"), faults[0])
    *parents, last = fault["loc"] or ("",)
    loc = [part for part in parents if isinstance(part, int) or not _is_type_tag(part)]
    if fault["type"] == "extra_forbidden" or isinstance(last, int) or not _is_type_tag(last):
        loc += [last] if last != "" else []
    field = ".".join(str(part) for part in loc) or "the file as a whole"
    why = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        known = fields_at(model, loc[:-1])
        near = nearest(str(loc[-1]), known)
        why = f"there is no such field; did you mean {near!r}?" if near else f"there is no such field; known: {', '.join(known)}"
    elif fault["type"] == "missing":
        why = "the field is missing"
    line = line_of(text, loc)
    return UserError(f"{path.name}, line {line}: {field} is wrong", why, f"edit line {line} of {path}")


def explain_syntax(error: Exception, path: Path) -> UserError:
    """A file that is no TOML at all, or not UTF-8."""
    line = re.search(r"at line (\d+)", str(error))
    where = f", line {line.group(1)}" if line else ""
    return UserError(f"{path.name}{where}: not valid TOML", str(error), f"edit {path}")


def _is_type_tag(part: str) -> bool:
    """Pydantic names the branch of a union in the location (`constrained-str`, `literal['']`, `function-after[…]`): no field of ours."""
    return bool(re.search(r"\[|constrained|^function-|^str$|^int$", part))


def fields_at(model: type[BaseModel], loc: Location) -> list[str]:
    """The fields that `model` knows at `loc`, walking through lists, options and nested records."""
    for part in loc:
        if isinstance(part, str):
            field = model.model_fields.get(part)
            inner = _record_in(field.annotation) if field else None
            if inner is None:
                return []
            model = inner
    return sorted(model.model_fields)


def _record_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in typing.get_args(annotation) if (found := _record_in(arg))), None)


def line_of(text: str, loc: Location) -> int:
    """The line (from 1) where `loc` stands in TOML `text`; the nearest enclosing line where the key is absent.

    A search, not a parser: it narrows a window of lines, first to the n-th `[[table]]`, then to the key, then to the n-th element.
    """
    lines = text.splitlines() or [""]
    start, end, table, in_value = 0, len(lines), "", False
    for position, part in enumerate(loc):
        if isinstance(part, int):
            # The n-th table was already chosen with its header; an element of an inline array was not.
            start = _element_line(lines, part, start, end) if in_value else start
            continue
        header = f"{table}.{part}" if table else part
        heads = [] if in_value else _headers(lines, header, start, end)
        if heads:
            following = loc[position + 1] if position + 1 < len(loc) else 0
            start = heads[min(following, len(heads) - 1)] if isinstance(following, int) else heads[0]
            table, end = header, _table_end(lines, start, header)
            continue
        found = _key_line(lines, part, start, _keys_end(lines, start, end))
        if found is None:
            break
        start, in_value = found, True
    return start + 1


def _headers(lines: list[str], header: str, start: int, end: int) -> list[int]:
    wanted = re.compile(r"\s*\[\[?\s*" + re.escape(header) + r"\s*\]\]?\s*(#.*)?$")
    return [index for index in range(start, end) if wanted.match(lines[index])]


def _table_end(lines: list[str], start: int, header: str) -> int:
    """The line after a table and its sub-tables."""
    other = re.compile(r"\s*\[\[?\s*(?!" + re.escape(header) + r"\.)[\w\"'.-]+\s*\]\]?\s*(#.*)?$")
    return next((index for index in range(start + 1, len(lines)) if other.match(lines[index])), len(lines))


def _keys_end(lines: list[str], start: int, end: int) -> int:
    """The line after the keys that stand directly in the table at `start`."""
    return next((index for index in range(start + 1, end) if _ANY_HEADER.match(lines[index])), end)


def _key_line(lines: list[str], key: str, start: int, end: int) -> int | None:
    """Where `key =` stands: at the beginning of a line, or else inside an inline table."""
    quoted = rf"[\"']?{re.escape(key)}[\"']?\s*[=.]"
    for pattern in (re.compile(r"^\s*" + quoted), re.compile(r"[{,\s]" + quoted)):
        for index in range(start, end):
            if pattern.search(lines[index]):
                return index
    return None


def _element_line(lines: list[str], nth: int, start: int, end: int) -> int:
    """The line of the nth element of an array that begins at `start`: tables open with a brace, other elements stand one by one."""
    opened = [index for index in range(start, end) for _ in range(lines[index].count("{"))]
    if nth < len(opened):
        return opened[nth]
    values = [index for index in range(start, end) for _ in re.findall(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'", lines[index])]
    return values[nth] if nth < len(values) else start
