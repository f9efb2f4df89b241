"""bench/ratios.py: how a measured ratio is written, and that works which are compared take turns."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bench import ratios
from bench.ratios import Ratio

CPU = torch.device("cpu")
FAST = Ratio("crops", "PIL", "images/s", 539.4, 2697.0, 5.0, "≥ 5 ×", True, "one level.", "the kernel.")
BARE = Ratio("the same again", "–", "s", None, 2.345, None, "< 2 s", False, "a table.", "imports.")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratios, "machine", lambda device: "a machine")


def test_the_table_has_a_row_and_a_remark_for_each_ratio(machine: None) -> None:
    lines = ratios.as_markdown([FAST, BARE], CPU).splitlines()
    assert (
        lines[0] == "# Speed on the CPU" and lines[2].startswith("`python -m bench --device cpu`, ") and lines[2].endswith(", a machine.")
    )
    assert lines[4].count("|") == lines[5].count("|") == lines[6].count("|") == 9
    assert lines[6] == "| crops | PIL | images/s | 539 | 2,697 | 5.00 × | ≥ 5 × | met |"
    assert lines[7] == "| the same again | – | s | – | 2.35 | – | < 2 s | missed |"
    assert lines[9:] == ["- **crops.** The same: one level. Limit: the kernel.", "- **the same again.** The same: a table. Limit: imports."]


def test_the_record_holds_what_the_table_shows(machine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratios, "HERE", tmp_path)
    written = ratios.write([FAST, BARE], CPU)
    assert [path.name for path in written] == ["speed-cpu.json", "speed-cpu.md"]
    record = json.loads(written[0].read_text(encoding="utf-8"))
    assert record["device"] == "cpu" and record["machine"] == "a machine"
    assert [Ratio(**one) for one in record["ratios"]] == [FAST, BARE]
    assert written[1].read_text(encoding="utf-8") == ratios.as_markdown([FAST, BARE], CPU)


def test_works_take_turns_and_each_has_its_median() -> None:
    calls: list[str] = []
    values = {"a": iter([3.0, 1.0, 90.0]), "b": iter([10.0, 30.0, 20.0])}

    def work(name: str) -> float:
        calls.append(name)
        return next(values[name])

    assert ratios.by_turns(3, lambda: work("a"), lambda: work("b")) == [3.0, 20.0]
    assert calls == ["a", "b", "a", "b", "a", "b"]


def test_cpu_seconds_count_processes_that_were_waited_for() -> None:
    before = ratios.cpu_seconds()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"], check=True)
    assert ratios.cpu_seconds() - before >= 0.3
