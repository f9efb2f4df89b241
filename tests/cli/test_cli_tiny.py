"""`repro data tiny` and `repro run BENCHMARK --tiny`, as a user types them."""

import json
from pathlib import Path

import pytest

from repro import cli
from repro.datasets import camelyon17


@pytest.fixture
def repro(tmp_path, capsys):
    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["--home", str(tmp_path / "home"), *map(str, arguments)])
        return ended.value.code or 0, *capsys.readouterr()

    return call


def test_a_subset_is_taken_and_drawn_again(repro, tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    camelyon17.write_tiny(full)
    marker = tmp_path / "home" / "data" / "tiny" / "camelyon17" / "tiny.json"
    code, out, _ = repro("data", "tiny", "camelyon17", "--from", full)
    assert code == 0 and out == f"camelyon17: {json.loads(marker.read_text())['files']} files in {marker.parent}, out of {full}\n"
    assert len(json.loads(marker.read_text())["taken"]) == 64
    code, out, _ = repro("data", "tiny", "camelyon17", "--synthetic")
    assert code == 0 and out.endswith(", synthetic\n") and json.loads(marker.read_text())["taken"] is None


def test_mistakes_get_three_lines(repro, tmp_path):
    code, _, err = repro("data", "tiny", "camelyon18")
    assert code == 2 and "did you mean 'camelyon17'?" in err
    code, _, err = repro("data", "tiny", "camelyon17", "--from", tmp_path / "none")
    assert code == 2 and err.startswith(f"error: there is no whole copy of camelyon17 in {tmp_path / 'none'}")
    code, _, err = repro("data", "tiny", "camelyon17")
    assert code == 2 and "camelyon17_v1.0/metadata.csv" in err and len(err.splitlines()) == 3
    assert not (tmp_path / "home" / "data" / "tiny" / "camelyon17").exists()
    code, _, err = repro("data", "tiny", "camelyon17", "--synthetic", "--from", tmp_path)
    assert code == 2 and "--synthetic and --from were both given" in err


def test_a_tiny_run_needs_nothing_and_is_marked(repro, tmp_path):
    code, out, _ = repro("run", "camelyon17", "--tiny", "--method", "lp", "--seeds", "1", "--json")
    assert code == 0
    (table,) = json.loads(out)
    assert any("TINY" in sentence for sentence in table["caption"])
    assert min(cell["mean"] for row in table["rows"] for cell in row["cells"]) > 0.8  # the classes can be learned
    code, _, err = repro("table", "camelyon17")
    assert code == 2 and "there are no results of camelyon17 yet" in err
    assert "camelyon17-tiny" in repro("show")[1] and "runs of camelyon17-tiny: 2 done" in repro()[1]
    results = list(Path(tmp_path / "home" / "runs").rglob("result.json"))
    assert results and all(json.loads(path.read_text())["run"]["benchmark"]["tiny"] for path in results)


def test_what_must_be_brought_by_hand_is_not_counted_as_to_fetch(repro):
    """ImageNet's 155 GB are not the program's to fetch; the weights are, and of unknown size."""
    _, out, _ = repro("run", "living17", "--dry-run")
    (line,) = [line for line in out.splitlines() if line.startswith("missing: imagenet (by hand), ")]
    assert "GB" not in line and line.count(" to fetch to ") == 1
