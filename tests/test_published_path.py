"""From the official layout to a table, as a user types it: what is needed, `repro data add`, the run; and what breaks on the way.

The published counts and hashes are put aside for those of small copies made by hand.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import hand_made
import pytest
from wilds_layouts import CAMELYON17, without_column, write_camelyon17, write_image

from repro.benchmarks import camelyon17, cifar10_1
from repro.data import manifest
from repro.types import Split

NETWORK = ("--method", "lp", "--seeds", "1", "--backbone", "timm:test_resnet", "--weights", "random", "--set", "image_size=32")
COUNTS = {"train": 3, "id_val": 2, "ood_val": 2, "ood_test": 2}


@pytest.fixture
def small(monkeypatch):
    """`small({data set: folder}, {split of a manifest: count})`: manifests say what the hand-made files are."""
    real = manifest.load

    def replace(folders: dict[str, Path], counts: dict[str, int]) -> None:
        def load(name: str) -> manifest.Manifest:
            record = real(name)
            return record if name not in folders else record.model_copy(update=_facts(record, folders[name], counts))

        monkeypatch.setattr(manifest, "load", load)

    return replace


def _facts(record: manifest.Manifest, folder: Path, counts: dict[str, int]) -> dict[str, tuple]:
    files = []
    for file in record.files:
        facts = {"members": {}, "md5": None, "git_blob": None}
        if file.unpack == "none":
            content = (folder / file.name).read_bytes()
            facts |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        files.append(file.model_copy(update=facts))
    counted = [count.model_copy(update={"n": counts[count.split]}) for count in record.counts if count.split in counts and count.rule]
    return {"files": tuple(files), "counts": tuple(counted)}


@pytest.fixture
def camelyon(monkeypatch, tmp_path, small):
    """A whole copy in the official layout."""
    full = write_camelyon17(tmp_path / "theirs")
    small({"camelyon17": full}, {"train": 3, "id_val": 2, "val": 2, "test": 2, "patches": len(CAMELYON17)})
    splits = tuple(split.model_copy(update={"count": COUNTS.get(split.name)}) for split in camelyon17.SPLITS)
    monkeypatch.setattr(camelyon17, "SPLITS", splits)
    return full


def test_camelyon17_is_asked_for_added_run_and_tabled(call, mistake, camelyon):
    what, _, cure = mistake("run", "camelyon17", *NETWORK, "--json")
    assert "camelyon17" in what and "repro data fetch camelyon17" in cure
    code, out, _ = call("data", "add", "camelyon17", camelyon / "camelyon17_v1.0")
    assert code == 0 and out.startswith("linked camelyon17_v1.0\n")
    assert call("data", "verify", "camelyon17")[0] == 0
    code, out, _ = call("run", "camelyon17", *NETWORK, "--json")
    assert code == 0 and "TINY" not in out
    code, out, _ = call("table", "camelyon17", "--format", "json")
    assert code == 0 and len(json.loads(out)) == 1
    assert mistake("table", "camelyon17", "--tiny")[0].startswith("there are no results of camelyon17 on tiny subsets")


def test_images_without_labels_that_are_not_here_are_told_before_anything_is_run(call, mistake, camelyon):
    assert call("data", "add", "camelyon17", camelyon)[0] == 0
    words = ("run", "camelyon17", *NETWORK[2:], "--method", "self-training", "--json")
    what, why, cure = mistake(*words)
    assert what == "self-training trains on test_unlabeled of camelyon17, which is not here"
    assert "camelyon17_unlabeled_v1.0; its file is optional" in why
    assert cure == "repro data fetch camelyon17 --with camelyon17_unlabeled_v1.0.tar.gz"


@pytest.fixture
def cifar(monkeypatch, tmp_path, small):
    """Whole copies of CIFAR-10, CIFAR-10.1 and CIFAR-10-C, not added yet."""
    full = {"cifar10": tmp_path / "c10", "cifar10.1": tmp_path / "c101", "cifar10-c": tmp_path / "c10c"}
    hand_made.cifar10(full["cifar10"], 20)
    hand_made.cifar10_1(full["cifar10.1"], {"v4": 21, "v6": 20})
    hand_made.cifar10_c(full["cifar10-c"], 20)
    small(full, {})
    counts = {"train": 100, "id_val": 20, "v6": 20, "cifar10-c": 380}

    def counted(split: Split) -> Split:
        return split.model_copy(update={"count": counts.get(split.name), "per_class": counts.get(split.name, 0) // 10 or None})

    for group in ("INSIDE", "OUTSIDE"):
        monkeypatch.setattr(cifar10_1, group, tuple(map(counted, getattr(cifar10_1, group))))
    monkeypatch.setattr(cifar10_1, "SEARCHED", counted(cifar10_1.SEARCHED))
    return full


def test_cifar10_1_is_added_piece_by_piece_and_run(call, mistake, cifar):
    words = ("run", "cifar10.1", "--ood", "v6", *NETWORK, "--json")
    assert call("data", "add", "cifar10", cifar["cifar10"])[0] == 0
    what, _, cure = mistake(*words)
    assert what.startswith("not here: cifar10.1") and "repro data fetch cifar10.1" in cure
    assert call("data", "add", "cifar10.1", cifar["cifar10.1"])[0] == 0
    code, out, _ = call(*words)
    assert code == 0 and [row["method"] for row in json.loads(out)[0]["rows"]] == ["lp"]


def test_cifar10_c_is_asked_for_by_a_search_alone_which_packs_what_it_draws(call, mistake, cifar, home_store):
    for name in ("cifar10", "cifar10.1"):
        assert call("data", "add", name, cifar[name])[0] == 0
    budget = ("trials=2", "inner_steps=1", "search_examples=30", "batch_size=20", "epochs=1", "head=random", "augment=none", "lr=1e-3")
    sets = [word for each in budget for word in ("--set", f"autoft.{each}")]
    words = ("run", "cifar10.1", "--ood", "v6", "--paper", "autoft", *NETWORK, *sets, "--method", "autoft", "--json")
    what, _, cure = mistake(*words)
    assert what.startswith("not here: cifar10-c (") and cure.startswith("repro data fetch cifar10-c")
    assert call("data", "add", "cifar10-c", cifar["cifar10-c"])[0] == 0
    code, out, _ = call(*words)
    assert code == 0 and [row["method"] for row in json.loads(out)[0]["rows"]] == ["lp", "autoft"]
    found = {result.run.method: result for result in home_store.results()}
    search = found["autoft-search"].extras
    assert search["search"]["split"] == "cifar10-c" and search["examples"]["cifar10-c"] == len(search["search"]["examples"]) == 30
    assert max(search["search"]["examples"]) < 380 and "cifar10-c" not in found["autoft"].extras["examples"]


def test_all_that_is_missing_or_broken_in_every_split_is_told_at_once(call, mistake, camelyon, tmp_path):
    assert call("data", "add", "camelyon17", camelyon)[0] == 0
    images = sorted((camelyon / "camelyon17_v1.0/patches").rglob("*.png"))
    by_patient = {path.parent.name: path for path in images}
    by_patient["patient_042_node_3"].unlink()  # of ood_test
    by_patient["patient_020_node_2"].write_text("no image")  # of ood_val
    whole = by_patient["patient_064_node_0"].read_bytes()
    by_patient["patient_064_node_0"].write_bytes(whole[: len(whole) // 2])  # of train
    what, _, cure = mistake("run", "camelyon17", *NETWORK, "--json")
    assert [name for name in by_patient if name in what] == ["patient_020_node_2", "patient_042_node_3", "patient_064_node_0"]
    assert "1 of 2 images named by ood_test are not on disk" in what and "1 of 3 images of train cannot be read" in what
    assert cure.startswith("repro data verify camelyon17 --full, then")
    assert "broken-images.txt" in what and len(next(tmp_path.glob("home/packs/*/broken-images.txt")).read_text().splitlines()) == 3
    by_patient["patient_064_node_0"].write_bytes(whole)
    for number, name in enumerate(("patient_042_node_3", "patient_020_node_2")):
        write_image(by_patient[name], number)
    assert call("run", "camelyon17", *NETWORK, "--json")[0] == 0


def test_a_table_that_was_changed_is_told_by_what_is_wrong(call, mistake, camelyon):
    assert call("data", "add", "camelyon17", camelyon)[0] == 0
    table = camelyon / "camelyon17_v1.0/metadata.csv"
    whole = table.read_text()
    without_column(table, "center")
    assert "lacks the column center" in mistake("run", "camelyon17", *NETWORK, "--json")[0]
    table.write_text("".join(whole.splitlines(True)[:-1]))
    what, why, cure = mistake("run", "camelyon17", *NETWORK, "--json")
    assert (what, why) == ("train of camelyon17 has 2 examples", "the published split has 3") and "repro data verify camelyon17" in cure
    table.write_text(whole)
    assert call("run", "camelyon17", *NETWORK, "--json")[0] == 0


def test_one_command_verifies_every_data_set_of_a_benchmark(call, monkeypatch, tmp_path, small):
    """The cure of a wrong count names them all."""
    full = {"cifar10": tmp_path / "c10", "cifar10.1": tmp_path / "c101"}
    hand_made.cifar10(full["cifar10"], 20)
    hand_made.cifar10_1(full["cifar10.1"], {"v4": 21, "v6": 20})
    small(full, {})
    for name, folder in full.items():
        assert call("data", "add", name, folder)[0] == 0
    code, out, _ = call("data", "verify", *full)
    assert code == 0 and "cifar10.1_v6_data.npy" in out
    (full["cifar10"] / "cifar-10-batches-py/data_batch_3").unlink()
    code, out, err = call("data", "verify", *full)
    assert code == 1 and err.startswith("cifar10 is not as it should be\n  try: ") and "cifar10.1_v6_data.npy" in out
