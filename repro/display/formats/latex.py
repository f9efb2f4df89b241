"""A table as LaTeX: booktabs alone is needed, `\\usepackage{booktabs}`; wide tables are blocks of columns below each other."""

from __future__ import annotations

import textwrap

from repro.display.formats.blocks import NAME, blocks
from repro.display.formats.grid import Grid, Line, Piece, with_source

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{char: f"\\{char}" for char in "&%$#_{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}"},
    **{"±": r"$\pm$", "−": "$-$", "Δ": r"$\Delta$", "√": r"$\surd$", "≤": r"$\leq$", "α": r"$\alpha$", "θ": r"$\theta$", "→": r"$\to$"},
    **{"†": r"$\dagger$", "‡": r"$\ddagger$", "·": r"$\cdot$", "–": "--", "×": r"$\times$", "é": r"\'e", "σ": r"$\sigma$", "…": r"\dots{}"},
}
WIDTH = 84  # characters that a line of an article holds in this size


def text(grid: Grid) -> str:
    """A group of paragraphs, which may break between pages. A character that pdfLaTeX may not have is printed as `?`."""
    below = [" ".join(map(escaped, grid.caption)), *(f"-- {escaped(with_source(note))}" for note in grid.notes)]
    return "\n".join(
        [
            r"\begingroup\footnotesize\setlength{\tabcolsep}{4pt}\setlength{\parindent}{0pt}",
            rf"\textbf{{{escaped(grid.title)}}}\par",
            *(line for block in blocks(grid, WIDTH, folded=False) for line in _block(grid, block)),
            r"\medskip\scriptsize\raggedright",
            *(f"{paragraph}\\par" for paragraph in below),
            r"\endgroup\bigskip",
            "",
        ]
    )


def _block(grid: Grid, columns: list[int]) -> list[str]:
    heads = [grid.heads[index] for index in columns]
    lines = [r"\medskip", rf"\begin{{tabular}}{{@{{}}l{'r' * len(heads)}@{{}}}}", r"\toprule"]
    if any(group for group, _ in heads):
        lines.append(_row([""] + [escaped(group) for group, _ in heads]))
    lines += [_row([escaped(grid.corner)] + [escaped(title) for _, title in heads]), r"\midrule"]
    for line in grid.lines:
        lines += _lines(line, columns)
    return [*lines, r"\bottomrule", r"\end{tabular}\par"]


def _lines(line: Line, columns: list[int]) -> list[str]:
    """A row takes as many lines as its highest cell, or as its name."""
    cells = [line.cells[index] for index in columns]
    names = textwrap.wrap(line.name, NAME, break_on_hyphens=False) or [""]
    height = max(len(names), *map(len, cells))
    lines = [
        _row([escaped(names[level]) if level < len(names) else "", *(_piece(cell[level]) if level < len(cell) else "" for cell in cells)])
        for level in range(height)
    ]
    return [*lines, r"\addlinespace"] if height > 1 else lines


def _row(cells: list[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _piece(piece: Piece) -> str:
    return rf"\textbf{{{escaped(piece.text)}}}" if piece.style == "bold" and piece.text else escaped(piece.text)


def escaped(words: str) -> str:
    """With every character spelled so that pdfLaTeX prints it."""
    return "".join(SPECIAL.get(char, char if char.isascii() and char.isprintable() else "?") for char in words)
