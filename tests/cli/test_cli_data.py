"""`repro data` as a user types it: what it prints, what it exits with, and that a mistake is three lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import small_manifests as small

from repro import cli, paths
from repro.cli.context import complete_manifest
from repro.data.amounts import size

COMMANDS = ("list", "fetch", "verify", "add", "convert", "tiny", "where", "remove", "export", "import")


@pytest.fixture
def repro(server, tmp_path, monkeypatch, capsys):
    """Runs a command; its exit code, standard output and standard error."""
    small.installed(tmp_path, server, monkeypatch)
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        return ended.value.code, *capsys.readouterr()

    return call


def test_a_day_with_a_dataset(repro, tmp_path, server):
    code, out, _ = repro("data", "list")
    assert code == 0 and all(len(line) <= 80 for line in out.splitlines())
    assert [line.split()[0] for line in out.splitlines() if line and not line.startswith(" ")] == [
        "datasets", "byhand", "derived", "photos", "checkpoints", "nets",
    ]  # fmt: skip
    code, out, _ = repro("data", "where", "photos")
    assert code == 1 and out.strip() == str(tmp_path / "data/photos")
    code, out, _ = repro("data", "fetch", "photos", "--dry-run")
    assert code == 0 and "CC0" in out and "disk needed: more than" in out and "2 files, >" in out
    assert not (tmp_path / "data").exists() and not any(route.requests for route in server.routes.values())
    code, out, err = repro("data", "fetch", "derived", "nets", "--with", "extra.txt")
    assert code == 2 and "no file in derived 'extra.txt'" in err, "of what is named, not of what it requires"
    code, out, err = repro("data", "fetch", "photos", "derived", "nets", "--with", "extra.txt", "--only", "small.pt")
    assert code == 0 and out.count("complete:") == 3 and "small.pt" in err and "large.pt" not in err
    assert (tmp_path / "data/photos/extra.txt").is_file()
    code, out, err = repro("data", "verify", "photos", "--full")
    assert code == 0 and not err and f"found {small.IMAGES}" in out and "read again" in out
    code, out, _ = repro("data", "list", "photos", "--json")
    (told,) = json.loads(out)
    assert told["here"] == "yes" and told["root"] == str(tmp_path / "data/photos") and told["complete"] is True
    assert repro("data", "where", "photos")[0] == 0
    code, out, _ = repro("data", "remove", "photos")
    assert code == 2 and (tmp_path / "data/photos").is_dir(), "no one to ask"
    code, out, _ = repro("data", "remove", "photos", "--yes")
    assert code == 0 and "removed" in out and not (tmp_path / "data/photos").exists()


def test_verify_says_what_is_wrong_and_the_cure_cures(repro, tmp_path):
    repro("data", "fetch", "photos")
    next((tmp_path / "data/photos/inner/photos/train").rglob("*.jpg")).unlink()
    code, out, err = repro("data", "verify", "photos")
    assert code == 1 and f"wrong     train: expected {small.IMAGES} examples, found {small.IMAGES - 1}" in out
    assert repro(*err.rpartition("try: repro ")[2].split())[0] == 0
    assert repro("data", "verify", "photos")[0] == 0


def test_add_tells_what_still_lacks(repro, tmp_path, server):
    (tmp_path / "photos.zip").write_bytes(server.routes["/photos.zip"].content)
    code, out, _ = repro("data", "add", "photos", tmp_path / "photos.zip")
    assert code == 0 and "linked photos.zip" in out and "missing: notes.txt" in out and "try: repro data fetch photos" in out
    code, _, err = repro("data", "add", "photos", tmp_path / "nowhere")
    assert code == 2 and len(err.splitlines()) == 3


def test_by_hand_and_without_network(repro, tmp_path, server):
    code, out, err = repro("data", "fetch", "byhand")
    assert code == 2 and "by hand" in out and "Sign on paper." in err and "repro data add byhand PATH" in err
    path = tmp_path / "manifests/photos.toml"
    path.write_text(path.read_text().replace(server.url(""), "http://127.0.0.1:9"))
    code, _, err = repro("data", "fetch", "photos")
    assert code == 2 and len(err.splitlines()) == 3 and "is this machine on the network" in err and "Traceback" not in err


def test_a_bundle(repro, tmp_path):
    repro("data", "fetch", "photos")
    code, out, _ = repro("data", "export", "photos", "--to", tmp_path / "x.tar")
    assert code == 0 and "2 files" in out
    code, out, _ = repro("--data", tmp_path / "there", "data", "import", tmp_path / "x.tar")
    assert code == 0 and "photos: complete" in out
    code, _, err = repro("--data", tmp_path / "there", "data", "import", tmp_path / "manifests/photos.toml")
    assert code == 2 and "data export" in err


def test_convert_without_a_converter(repro, tmp_path):
    code, _, err = repro("data", "convert", "photos", tmp_path)
    assert code == 2 and "there is no converter for photos" in err and len(err.splitlines()) == 3
    assert repro("data", "fetch", "photos")[0] == 0, "nothing was noted as brought"


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in ("import", "tiny")])
def test_a_wrong_name_suggests_the_nearest(repro, command, tmp_path):
    arguments = {"add": [tmp_path], "convert": [tmp_path], "export": ["--to", tmp_path / "x.tar"]}.get(command, [])
    code, _, err = repro("data", command, "fotos", *arguments)
    assert code == 2 and err.splitlines() == [
        "error: there is no manifest 'fotos'",
        "  why: did you mean 'photos'?",
        "  try: repro data list",
    ]


def test_commands_and_completion(repro):
    assert [command.name for command in cli.data.app.registered_commands] == list(COMMANDS)
    code, _, err = repro("data", "fetsh", "x")
    assert code == 2 and "did you mean 'fetch'" in err and "repro data --help" in err
    assert complete_manifest("p") == ["photos"] and complete_manifest("") == ["byhand", "derived", "nets", "photos"]
    assert [size(n) for n in (0, 999, 6_144_128, 137_414_764, 999_600_000_000, None)] == [
        "0 B",
        "999 B",
        "6.1 MB",
        "137 MB",
        "1.0 TB",
        "unknown",
    ]
    assert size(5000, True) == "~5.0 kB" and size(5000, True, 1) == ">5.0 kB"


def test_several_data_folders_from_the_config_file(repro, tmp_path, monkeypatch):
    monkeypatch.delenv("REPRO_DATA")
    (tmp_path / "none.toml").write_text(f'data = "own{os.pathsep}~/shared"')
    found = paths.Places.find()
    assert found.data == tmp_path / "own" and found.data_roots[1].is_absolute() and found.data_roots[1].name == "shared"
    assert repro("--data", os.pathsep, "data", "list")[0] == 2


def test_nothing_heavy_is_imported():
    heavy = "import sys; from repro.cli import main; import repro.data.adopt, repro.data.bundle, repro.data.holdings, repro.data.verify; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True).stdout == "False\n"
    lean = "import sys, repro.cli, repro.cli.data; print({'requests', 'numpy', 'tarfile', 'repro.data.holdings'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", lean], capture_output=True, text=True, check=True).stdout == "set()\n"
