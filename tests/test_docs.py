"""The README names everything that there is: each command, option, benchmark, method, place and way of selection."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

import repro
from repro import backbones, plugins
from repro.cli import app
from repro.outcomes.selection import RULES
from repro.papers import arrangement
from repro.paths import PLACES, Places

README = Path(repro.__file__).resolve().parent.parent / "README.md"


def commands() -> dict[str, list[str]]:
    """Command (of a group: "data fetch") → its options, the longest spelling of each; "" is the program itself."""

    def walk(name: str, command) -> dict[str, list[str]]:
        options = {max(option.opts, key=len) for option in command.params if option.opts[0].startswith("-")} - {"--help"}
        found = {name: sorted(options)}
        for below, inner in getattr(command, "commands", {}).items():
            found |= walk(f"{name} {below}".strip(), inner)
        return found

    return walk("", typer.main.get_command(app))


def required() -> dict[str, str]:
    """What must be said → the pattern that says it."""
    wanted: dict[str, str] = {}
    for command, options in commands().items():
        if command:
            wanted[f"command: repro {command}"] = rf"repro {command}\b"
        for option in options:
            wanted[f"option of {f'repro {command}'.strip()}: {option}"] = rf"(?<![\w-]){option}(?![\w-])"
    for kind in ("benchmarks", "methods"):
        for name in plugins.names(kind):
            wanted[f"{kind[:-1]}: {name}"] = rf"(?<![\w-]){re.escape(name)}(?![\w-])"
    for name in plugins.names("benchmarks"):
        for need in () if name in ("folder", "light-curves") else plugins.benchmark(name).describe({}, Places.find()).needs:
            wanted[f"data of {name}: {need}"] = (
                rf"repro data (?:fetch|add)[^`]* {re.escape(need)}(?![\w-])|`{need}`[^|]*\| `repro data fetch` and"
            )
    starts = {entry.weights.partition(":")[0] for name in backbones.named() if (entry := backbones.find(name)).weights}
    wanted |= {f"weights: {name}": rf"repro data fetch[^`]* {re.escape(name)}(?![\w-])" for name in starts}
    wanted |= {f"table: {name}": rf"`{re.escape(name)}`" for name in arrangement.names()}
    wanted |= {f"variable: REPRO_{place.upper()}": rf"\bREPRO_{place.upper()}\b" for place in PLACES}
    wanted |= {f"selection rule: {rule}": rf"\b{rule}\b" for rule in RULES}
    wanted |= {f"backbone: {name}": rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in backbones.named()}
    wanted |= {f"family of backbones: {name}:": rf"\b{name}:" for name in backbones.FAMILIES}
    wanted["in Python: repro.results()"] = r"\brepro\.results\(\)"
    wanted["as a module: python -m repro"] = r"python -m repro\b"
    wanted["first command"] = r"pip install -e '\.\[test\]' && repro run digits"
    wanted["second command"] = r"pip install -e '\.\[test\]' && pytest"
    return wanted


def uncaptioned(text: str) -> list[str]:
    """The program's files, but for the plug-ins' (one caption serves each folder of them), that the tree of files does not name."""
    tree = text[text.index("## What is where") : text.index("## State")]
    package = README.parent / "repro"
    scanned = ("benchmarks", "methods", "datasets", "formats")
    files = (path for kind in ("*.py", "*.toml", "*.css", "*.js") for path in package.rglob(kind))
    return sorted(
        path.name for path in files if not path.name.startswith("__") and path.parent.name not in scanned and path.name not in tree
    )


def missing(text: str) -> list[str]:
    """What the text does not say, of all that it must."""
    return [what for what, pattern in required().items() if not re.search(pattern, text)]


def test_the_command_line_is_read_in_full():
    found = commands()
    assert set(found) >= {"", "run", "table", "show", "list"}
    assert set(found["run"]) >= {"--method", "--seeds", "--backbone", "--weights", "--set", "--device", "--tiny", "--dry-run", "--json"}
    assert set(found[""]) >= {"--home", "--data", "--packs", "--runs", "--version"}
    assert len(required()) >= 50


def test_what_is_not_said_is_found():
    """A name inside another does not count: `lp-ft` says neither `lp` nor `ft`."""
    unsaid = missing("repro run digits --seeds 3 -m lp-ft, --dry-runs, REPRO_HOMES")
    assert "command: repro run" not in unsaid and "benchmark: digits" not in unsaid
    assert "option of repro run: --seeds" not in unsaid and "method: lp-ft" not in unsaid
    for what in (
        "method: lp",
        "method: ft",
        "table: lp-ft/1",
        "option of repro run: --dry-run",
        "variable: REPRO_HOME",
        "command: repro show",
    ):
        assert what in unsaid


def test_the_readme_names_everything():
    assert missing(README.read_text(encoding="utf-8")) == []


BLOCKS = re.findall(r"^```(?:sh|bash|console|shell)?\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)
COMPLETION = ("--help", "--install-completion", "--show-completion")


def _calls(block: str) -> list[list[str]]:
    """The words after `repro` in each line of a code block that calls it."""
    lines = (line.partition(" #")[0] for line in block.replace("\\\n", " ").splitlines())
    return [words.split() for line in lines for words in re.findall(r"(?:^|[\s$&;|(])repro((?: +[^\s#|&;]+)*) *(?:$|[#|&;])", line)]


def test_every_command_in_the_readme_can_be_typed():
    known = commands()
    options = {option for group in known.values() for option in group} | set(COMPLETION)
    calls = [words for block in BLOCKS for words in _calls(block)]
    assert len(calls) >= 2
    for words in calls:
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options, words
        named = [word for word in words if not word.startswith("-")]
        group = named[0] if named else ""
        assert group in known or words[0].startswith("--"), words
        if any(name.startswith(f"{group} ") for name in known):
            assert " ".join(named[:2]) in known, words


def inline(text: str) -> list[str]:
    """Code within sentences and tables; words that are broken over two lines are joined."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return [" ".join(code.replace("\\|", "|").split()) for code in re.findall(r"`([^`]+)`", prose)]


def unknown(codes: list[str]) -> list[str]:
    """Of commands, options and papers' tables in code within sentences those that do not exist."""
    known = commands()
    options = {option for group in known.values() for option in group} | {"-m", *COMPLETION}
    papers = {name.partition("/")[0] for name in arrangement.names()}

    def exists(code: str) -> bool:
        words = code.split()
        named = [word.partition("=")[0] for word in words if re.match(r"--[a-z]", word)]
        if words[0] == "repro" and len(words) > 1 and re.fullmatch("[a-z]+", words[1]):
            inner = any(name.startswith(f"{words[1]} ") for name in known) and len(words) > 2 and re.fullmatch("[a-z]+", words[2])
            group = " ".join(words[1:3]) if inner else words[1]
            return group in known and set(named) <= {*known[group], *known[""]}
        if re.fullmatch(r"[a-z0-9-]+/[a-z0-9-]+", code) and code.partition("/")[0] in papers:
            return code in arrangement.names()
        return set(named) <= options

    return [code for code in codes if not exists(code)]


def test_commands_options_and_tables_in_sentences_exist():
    codes = inline(README.read_text(encoding="utf-8"))
    assert len([code for code in codes if code.startswith("repro ")]) >= 30 and len(codes) > 200
    assert unknown(codes) == []
    wrong = ["repro tabel", "repro run digits --dry-runs", "--quik", "lp-ft/3", "repro compare --fetch", "repro data fetsh"]
    assert unknown([*wrong, "repro run digits --dry-run", "lp-ft/2", "data_manifests/"]) == wrong


TABLES = {"## Methods": ("methods", 14), "## The papers' benchmarks": ("benchmarks", 9), "A backbone is one of": ("backbones", 10)}


@pytest.mark.parametrize("start", TABLES)
def test_what_the_tables_of_names_list_exists(start):
    kind, least = TABLES[start]
    text = README.read_text(encoding="utf-8")
    rows = re.search(r"((?:^\|.*\n)+)", text[text.index(start) :], re.M)[1].splitlines()[2:]
    named = [name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])]
    known = backbones.named() if kind == "backbones" else plugins.names(kind)
    assert len(named) >= least and set(named) <= set(known)


def test_a_call_in_a_code_block_is_read():
    assert _calls(
        "pip install x && repro run digits --seeds 3   # why\n$ repro\nrepro run a \\\n  --set lr=1\n  repro/   the folder\n"
    ) == [
        ["run", "digits", "--seeds", "3"],
        [],
        ["run", "a", "--set", "lr=1"],
    ]


def test_the_tree_of_files_has_a_caption_for_each():
    text = README.read_text(encoding="utf-8")
    assert uncaptioned(text) == []
    assert uncaptioned(text.replace("verdicts.py", "")) == ["verdicts.py"]
    named = set(re.findall(r"[\w.]+\.(?:py|toml|css|js)", text[text.index("## What is where") : text.index("## State")]))
    assert {name for name in named if not list(README.parent.joinpath("repro").rglob(name))} == set(), "named and not there"
