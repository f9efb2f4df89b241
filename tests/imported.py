"""What each module of repro/ imports, read from the source: at the top, inside functions, or for type checkers only."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Literal, NamedTuple

import repro

PACKAGE = Path(repro.__file__).parent


class Import(NamedTuple):
    """`module` is what an import names; for `from a import b`, both a and a.b."""

    module: str
    where: Literal["top", "function", "typing"]
    line: int


def modules() -> dict[str, Path]:
    """Dotted name → file, for every module of the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path) -> list[Import]:
    """Every import statement of a file, wherever it stands."""
    return list(_walk(ast.parse(path.read_text(encoding="utf-8")), "top"))


def _walk(node: ast.AST, where: str):
    for child in ast.iter_child_nodes(node):
        inside = where
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, where, child.lineno) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"line {child.lineno}: imports are absolute"
            yield Import(child.module, where, child.lineno)
            yield from (Import(f"{child.module}.{alias.name}", where, child.lineno) for alias in child.names)
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and where == "top":
            inside = "function"
        elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            inside = "typing"
        yield from _walk(child, inside)
