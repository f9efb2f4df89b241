"""Whatever is in a file or on the command line: the readers give a value or one clear error, never another exception.

`REPRO_FUZZ=10000 pytest tests/test_fuzz.py` tries as many inputs per reader; without it a few, the same ones each time.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

import fabricated
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from repro import plugins
from repro.data import manifest
from repro.display import formats, tables
from repro.errors import UserError
from repro.launch import launches
from repro.nn.networks.weights import load_weights
from repro.outcomes import claims, index, processes
from repro.outcomes.store import Store
from repro.papers import arrangement, reported, rows
from repro.paths import manifests_dir, tables_dir
from repro.planning import recipe
from repro.reading.metadata import read_csv
from repro.settings import Recipe

INPUTS = int(os.environ.get("REPRO_FUZZ", "60"))
FUZZ = settings(max_examples=INPUTS, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
FOLDER = Path(tempfile.mkdtemp(prefix="repro-fuzz-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)

ODD = [
    "nan",
    "inf",
    "-1",
    "1e999",
    "9" * 40,
    "true",
    "''",
    '"',
    '"""',
    "[",
    "]]",
    "{",
    "}",
    "=",
    ",",
    "\n",
    "\x00",
    "../../x",
    "/etc",
    "\ud7ff",
    "#",
    "%s",
    "é",
]
PIECES = st.one_of(st.sampled_from(ODD), st.text(max_size=12), st.integers().map(str))
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), PIECES), min_size=1, max_size=4)
BYTE_EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 64), st.binary(max_size=16)), min_size=1, max_size=4)


def edited(whole, edits):
    """Each edit replaces some characters at a place by others."""
    for share, length, piece in edits:
        at = int(share * len(whole))
        whole = whole[:at] + piece + whole[at + length :]
    return whole


def written(name: str, content: str | bytes) -> Path:
    path = FOLDER / name
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    return path


def tell(read, *arguments) -> None:
    """A value, or an error of three lines that say something."""
    try:
        read(*arguments)
    except UserError as error:
        assert all(line.strip() for line in error.lines()), error.lines()


def texts(paths) -> st.SearchStrategy[str]:
    """Files that ship, edited; or any text."""
    whole = [path.read_text(encoding="utf-8") for path in paths]
    assert len(whole) >= 3
    return st.one_of(st.builds(edited, st.sampled_from(whole), EDITS), st.text(max_size=200))


@FUZZ
@given(texts(sorted(manifests_dir().glob("*.toml"))))
def test_manifests(text):
    tell(manifest.parse, text, Path("x.toml"))


@FUZZ
@given(texts(sorted(tables_dir().glob("*.toml"))))
def test_tables_of_recipes(text):
    tell(rows.read, written("rows.toml", text))


@FUZZ
@given(texts([path for path in sorted(tables_dir().glob("*/*.toml")) if path.name != "paper.toml"]))
def test_papers_tables(text):
    tell(arrangement.read, written("table.toml", text))


REPORTED = sorted(tables_dir().glob("*/reported.csv"), key=lambda path: path.stat().st_size)[:3]


@FUZZ
@given(st.one_of(st.builds(edited, st.sampled_from([path.read_text() for path in REPORTED]), EDITS), st.text(max_size=200)))
def test_reported_numbers(text):
    tell(reported.read, written("reported.csv", text))


FIELDS = st.sampled_from(sorted(Recipe.model_fields))
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from(ODD))
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=3)), max_leaves=6
)


@FUZZ
@given(FIELDS, VALUES)
def test_recipes(field, value):
    tell(recipe.check, field, value, "a table")


METHODS = sorted(plugins.names("methods"))
SET = st.builds(
    lambda method, field, between, value: f"{method}{field}{between}{value}",
    st.one_of(st.just(""), st.sampled_from(METHODS).map("{}.".format), st.text(max_size=6)),
    st.one_of(FIELDS, st.text(max_size=8)),
    st.sampled_from(["=", "==", "", " = "]),
    st.lists(st.one_of(st.sampled_from([*ODD, "1e-3", "sgd", "none", "eval"]), st.text(max_size=8)), max_size=3).map(",".join),
)


@FUZZ
@given(st.one_of(SET, st.text(max_size=40)))
def test_set(text):
    tell(recipe.parse_set, text, METHODS)


CSV = "split,location_id,datetime,y,filename\ntrain,3,2013-01-01 10:00:00,4,a.jpg\ntest,5,2014-01-01 10:00:00,0,b.jpg\n"


@FUZZ
@given(st.one_of(st.builds(edited, st.just(CSV.encode()), BYTE_EDITS), st.binary(max_size=200)))
def test_tables_of_metadata(content):
    tell(read_csv, written("metadata.csv", content), ["split", "y"])


STATE = {"a.weight": torch.arange(12.0).view(3, 4), "a.bias": torch.zeros(3), "b": torch.ones(2, dtype=torch.int64)}
torch.save({"state_dict": STATE, "epoch": 3}, FOLDER / "whole.pt")
save_file(STATE, FOLDER / "whole.safetensors")
torch.save({"state_dict": STATE}, FOLDER / "old.pt", _use_new_zipfile_serialization=False)


def _script() -> bytes:
    """An archive as torch.jit.save leaves it: its description, and a file per storage."""
    torch.jit.save(torch.jit.script(torch.nn.Linear(3, 2)), FOLDER / "script.pt")
    return (FOLDER / "script.pt").read_bytes()


CHECKPOINTS = {
    "zip.pt": (FOLDER / "whole.pt").read_bytes(),
    "old.pt": (FOLDER / "old.pt").read_bytes(),
    "script.pt": _script(),
    "weights.safetensors": (FOLDER / "whole.safetensors").read_bytes(),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoints(name):
    whole = CHECKPOINTS[name]
    assert len(load_weights(written(f"fuzzed-{name}", whole))) >= 2

    @FUZZ
    @given(st.one_of(st.builds(edited, st.just(whole), BYTE_EDITS), st.binary(max_size=100)))
    def read(content):
        tell(load_weights, written(f"fuzzed-{name}", content))

    read()


@FUZZ
@given(BYTE_EDITS)
def test_descriptions_inside_of_whole_archives(edits):
    """Past the archive's checksums: the pickle itself is another."""
    path = FOLDER / "inside.pt"
    with zipfile.ZipFile(FOLDER / "whole.pt") as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, edited(content, edits) if name.endswith("data.pkl") else content)
    tell(load_weights, path)


STORE = Store(FOLDER / "runs")
RUN = fabricated.run()
RESULT = fabricated.finish(STORE, RUN).model_dump_json()
LAUNCH = launches.Launch(id="1", created="", title="", keys=(RUN.key,), before={}, places={}, workers=1).model_dump_json()
CLAIM = json.dumps({**processes.this_process(), "token": "t", "launch": None, "deaths": 0, "state": None})


@FUZZ
@given(st.one_of(st.builds(edited, st.just(RESULT), EDITS), st.text(max_size=100)))
def test_results(text):
    folder = STORE.folder(RUN)
    (folder / "result.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    (folder / "failed.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    tell(STORE.read_result, folder)
    tell(STORE.failure, folder)


@FUZZ
@given(st.integers(0, len(RESULT.encode()) - 1), st.integers(0, 7))
def test_whatever_bit_of_a_result_is_flipped_the_table_has_the_others(at, bit):
    other, content = fabricated.run(seed=1), bytearray(RESULT.encode())
    if STORE.result(other) is None:
        fabricated.finish(STORE, other)
    content[at] ^= 1 << bit
    (STORE.folder(RUN) / "result.json").write_bytes(content)
    found = index.find(STORE)
    assert len(found.results) + len(found.damaged) == 2
    made = tables.build(found.results, damaged=found.damaged)
    assert other.key in {key for table in made for row in table.rows for key in row.keys}
    assert formats.text(made, "markdown").count("is damaged and left out") == len(found.damaged)


@FUZZ
@given(st.one_of(st.builds(edited, st.sampled_from([LAUNCH, CLAIM]), EDITS), VALUES.map(lambda value: json.dumps(value, default=str))))
def test_launches_claims_and_progress(text):
    folder = FOLDER / "claimed"
    folder.mkdir(exist_ok=True)
    for name in ("launch.json", "claim.json", "progress.json"):
        (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    tell(launches.read, folder)
    tell(STORE.progress, folder)
    owner = claims.end_of_chain(folder)
    assert owner is not None and claims.Claims().gone(owner) in (True, False)
