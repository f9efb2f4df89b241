"""Every format of a table, against golden files of fabricated results: `REPRO_GOLDEN=write pytest tests/test_formats.py` writes them anew."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import fabricated
import paper_fixture
import pytest
from made_tables import every_kind
from rich.console import Console

from repro.display import formats, paper_tables, tables
from repro.display.formats import grid, latex
from repro.outcomes import index
from repro.outcomes.store import Store
from repro.papers import arrangement
from repro.paths import Places

GOLDEN = Path(__file__).parent.parent / "golden"
SUFFIX = {"terminal": "txt", "markdown": "md", "latex": "tex", "csv": "csv", "json": "json", "html": "html"}


@pytest.fixture
def view(tmp_path, monkeypatch):
    """The fixture's table with its fabricated results."""
    paper_fixture.use_tables(monkeypatch)
    store = Store(tmp_path / "runs")
    paper_fixture.fill(store)
    arranged = arrangement.load("made-up/main")
    found = index.find(store, arranged.benchmarks)
    return paper_tables.view(arranged, found.results, found.failures, paper_tables.benchmarks_of(arranged, Places.find()))


@pytest.fixture
def benchmark():
    """A benchmark's table of fabricated results, with names that every format must escape."""
    return tables.build(every_kind(fabricated.benchmark(title="made-up: <b>5 %</b> & $x_1$ | {2} #~^\\")))[0]


def printed(made, width: int = 80, color: bool = False) -> str:
    file = io.StringIO()
    Console(file=file, width=width, highlight=False, force_terminal=color, color_system="standard" if color else None).print(
        *formats.screens([made])
    )
    return file.getvalue()


def spelled(made, form: str) -> str:
    """As the golden files have it: keys follow from versions and hashes that golden files should not."""
    text = printed(made) if form == "terminal" else formats.text([made], form)
    return re.sub(r"\b[0-9a-f]{20}\b", "k" * 20, text)


@pytest.mark.parametrize("kind", ["paper", "benchmark"])
@pytest.mark.parametrize("form", formats.FORMATS)
def test_golden(form, kind, request):
    text = spelled(request.getfixturevalue("view" if kind == "paper" else "benchmark"), form)
    path = GOLDEN / f"fixture-{kind}.{SUFFIX[form]}"
    if os.environ.get("REPRO_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), "REPRO_GOLDEN=write writes it anew: then read the difference"


def test_every_format_has_its_golden_files():
    assert set(SUFFIX) == set(formats.FORMATS)
    assert len(list(GOLDEN.glob("fixture-*.*"))) == 2 * len(SUFFIX)


# terminal


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(view, width):
    text = printed(view, width)
    assert max(map(len, text.splitlines())) <= width and "…" not in text
    for word in ("97.1 ± 0.2 (0.1)", "61.00 ± 13.83 (4.32)", "77.8 (0.7) / 77.7‡", "within noise"):
        assert word in text


@pytest.mark.parametrize("name", ["lp-ft/2", "flyp/wilds", "freeze-embed/big", "connect-later/main", "wise-ft/alphas"])
def test_the_papers_tables_fit_80_columns(name):
    arranged = arrangement.load(name)
    made = paper_tables.view(arranged, [], [], paper_tables.benchmarks_of(arranged, Places.find()))
    text = printed(made)
    assert max(map(len, text.splitlines())) <= 80
    words = set(text.split())
    assert {word for column in made.columns for word in column.split()} <= words


def test_verdicts_have_colours(view):
    text = printed(view, width=200, color=True)
    for verdict, code in {"match": 32, "within noise": 36, "above": 31, "failed": 31, "not comparable": 2}.items():
        assert f"\x1b[{code}m{verdict}" in text.replace(" \x1b", "\x1b") or re.search(rf"\x1b\[{code}m *{verdict}", text), verdict


# markdown, HTML, LaTeX


def test_markdown_rows_have_as_many_cells_as_the_head(view, benchmark):
    for made in (view, benchmark):
        rows = [line for line in formats.text([made], "markdown").splitlines() if line.startswith("|")]
        assert len(rows) >= 7 and len({line.replace("\\|", "").count("|") for line in rows}) == 1


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.words = [], [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.mark.parametrize("kind", ["view", "benchmark"])
def test_html_is_balanced_and_nothing_of_a_name_becomes_a_tag(kind, request):
    made = request.getfixturevalue(kind)
    reader = _Tags()
    reader.feed(formats.text([made], "html"))
    reader.close()
    assert reader.open == [] and "b" not in reader.seen and "best" not in reader.seen
    assert reader.seen.count("td") == sum(len(row.cells) for row in made.rows) + (len(made.rows) if kind == "benchmark" else 0)
    assert made.title in "".join(reader.words)


def test_latex_escapes_every_character_that_it_would_read():
    assert latex.escaped("5 % & $x_1$ {2} #~^\\") == (r"5 \% \& \$x\_1\$ \{2\} \#\textasciitilde{}\textasciicircum{}\textbackslash{}")
    assert latex.escaped("α ± −1 †‡") == r"$\alpha$ $\pm$ $-$1 $\dagger$$\ddagger$" and latex.escaped("日") == "?"


def test_latex_has_every_brace_and_environment_closed_and_rows_of_one_length(view, benchmark):
    text = formats.text([view, benchmark], "latex")
    bare = re.sub(r"\\[{}\\]", "", text)
    assert bare.count("{") == bare.count("}")
    stack = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        assert stack.append(name) is None if kind == "begin" else stack.pop() == name
    assert stack == []
    blocks = re.findall(r"\\begin\{tabular\}\{@\{\}l(r+)@\{\}\}(.*?)\\end\{tabular\}", text, re.S)
    assert len(blocks) == 4
    assert text.count(r"\begingroup") == text.count(r"\endgroup") == 2
    for columns, body in blocks:
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len(rows) >= 6 and {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(columns)}


def long_names(benchmark):
    variant = tuple(f"{field}=1e-05,3e-05" for field in ("lr", "batch_size", "weight_decay", "augment", "lp.lp_c_count", "keep_weights"))
    return benchmark._replace(rows=tuple(row._replace(variant=variant) for row in benchmark.rows))


def test_latex_breaks_long_names_of_rows_and_no_line_is_wider_than_an_article(benchmark):
    text = formats.text([long_names(benchmark)], "latex")
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert max(len(re.sub(r"\\textbf|\\pm|[{}$\\&]", "", line)) for line in lines) <= latex.WIDTH
    assert "keep\\_weights" in text and len(lines) > 3 * len(benchmark.rows)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
def test_latex_compiles(view, benchmark, tmp_path):
    shipped = [arrangement.load("made-up/digits")]
    more = [paper_tables.view(each, [], [], paper_tables.benchmarks_of(each, Places.find())) for each in shipped]
    body = formats.text([view, benchmark, long_names(benchmark), *more], "latex")
    page = f"\\documentclass{{article}}\\usepackage[T1]{{fontenc}}\\usepackage{{booktabs}}\n\\begin{{document}}\n{body}\\end{{document}}\n"
    (tmp_path / "page.tex").write_text(page, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout, "every block fits into the lines of an article"
    assert "Missing" not in done.stdout and "Undefined" not in done.stdout and (tmp_path / "page.pdf").stat().st_size > 10_000


# CSV, JSON


def test_csv_has_a_line_for_each_cell_and_source(view, benchmark):
    lines = list(csv.DictReader(io.StringIO(formats.text([view], "csv"))))
    sources = sum(max(len(cell.reported), 1) for row in view.rows for cell in row.cells)
    assert len(lines) == sources == 31
    both = [line for line in lines if (line["row"], line["column"]) == ("FT", "Living-17 OOD")]
    assert [(line["reported"], line["printed_in"], line["compared"]) for line in both] == [
        ("77.8", "main", "True"),
        ("77.7", "slides", "False"),
    ]
    assert [float(line["measured"]) for line in both] == pytest.approx([77.7333, 77.7333], abs=1e-3)
    lines = list(csv.DictReader(io.StringIO(formats.text([benchmark], "csv"))))
    assert len(lines) == sum(len(row.cells) for row in benchmark.rows) and lines[0]["table"] == "made-up"


def test_json_has_what_its_documentation_names(view):
    (made,) = json.loads(formats.text([view], "json"))
    assert made["schema"] == 1 and made["table"] == "made-up/main"
    cell = made["rows"][0]["cells"][1]
    documented = set(re.findall(r"\b[a-z_]+\b", formats.json.__doc__))
    assert {*made, *made["notes"][0], *made["fill"][0], *made["cannot"][0], *cell, *cell["reported"][0]} <= documented
    assert cell["values"] == pytest.approx([77.5, 77.9, 77.8]) and cell["seeds"] == [0, 1, 2] and len(set(cell["keys"])) == 3
    assert [(source["value"], source["spread"], source["compared"]) for source in cell["reported"]] == [
        ("77.8", "0.7", True),
        ("77.7", None, False),
    ]
    assert cell["delta"] == pytest.approx(-0.0667, abs=1e-3)


def test_signed_numbers_have_no_negative_zero():
    assert [grid.signed(value, 1) for value in (0.04, -0.04, -0.31, 2.0)] == ["+0.0", "+0.0", "−0.3", "+2.0"]
