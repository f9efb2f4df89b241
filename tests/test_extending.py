"""The README's examples of a new benchmark, method and table, written into a copy of the program and run."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


def examples() -> dict[str, str]:
    """Path → content of the code blocks whose first line names a file of the program."""
    blocks = re.findall(r"```(?:python|toml)\n# ((?:repro|tables)/\S+)\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.S)
    return dict(blocks)


def test_the_examples_run(tmp_path: Path) -> None:
    found = examples()
    assert sorted(found) == ["repro/benchmarks/stripes.py", "repro/methods/scratch_smooth.py", "tables/stripes.toml"]
    if not (ROOT / "tables").is_dir():
        pytest.skip("the tables lie beside the package in a checkout alone")
    for folder in ("repro", "tables", "data_manifests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path, content in found.items():
        (tmp_path / path).write_text(content, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1", "REPRO_HOME": str(tmp_path / "home")}

    def repro(*arguments: str) -> str:
        program = [sys.executable, "-m", "repro", *arguments]
        done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    listed = json.loads(repro("list", "--json"))
    assert listed["benchmarks"]["stripes"] == "Stripes: painted images, bright in training, dark in testing"
    assert listed["methods"]["scratch-smooth"] == "Training from random weights towards softened labels"
    assert "stripes" in listed["tables"]
    (table,) = json.loads(repro("run", "stripes", "--method", "scratch,scratch-smooth", "--seeds", "1", "--json"))
    assert [row["method"] for row in table["rows"]] == ["scratch", "scratch-smooth"]
    assert any("lr 0.0" in sentence and "chosen by id_val among 0.01, 0.03" in sentence for sentence in table["caption"])
