"""The preflight: each check well, doubtful and failing, with the cure it names; what the command prints and its exit codes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from importlib import metadata

import pytest
import toy_benchmark
from misbehaving_server import dead_url

from repro import cli
from repro.data import manifest
from repro.data.holdings import ensure
from repro.errors import UserError
from repro.paths import Places
from repro.preflight import doctor, prepare

CONTENT = random.Random(6).randbytes(100_000)


@pytest.fixture
def places(monkeypatch, tmp_path) -> Places:
    return toy_benchmark.use(monkeypatch, tmp_path)


@pytest.fixture
def write(tmp_path, places):
    def write(name: str, *urls: str, **options) -> None:
        toy_benchmark.write_manifest(tmp_path / "manifests", name, CONTENT, *urls, **options)

    return write


def repro(home, *arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.main(["--home", str(home), *arguments])
    return stop.value.code


def states(diagnoses) -> list[str]:
    assert all(diagnosis.state == "ok" or diagnosis.cure for diagnosis in diagnoses)
    return [diagnosis.state for diagnosis in diagnoses]


# packages


def test_declared_packages_are_here_and_read_without_importing_them():
    required = doctor.requirements()
    assert len(required) >= 17 and "torch>=2.6" in required
    (found,) = doctor.packages()
    assert found.state == "ok" and f"{len(required)} packages" in found.detail
    code = "import sys; from repro.preflight import doctor; doctor.packages(); print([m for m in ('torch', 'requests', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_absent_old_and_damaged_packages_are_named_with_the_command(monkeypatch):
    versions = {"torch": "2.5.1+cpu", "rich": "13.7.0"}

    def version(name):
        if name in versions:
            return versions[name]
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "version", version)
    old, absent = doctor.packages(["torch>=2.6", "wilds>=2.0", "rich>=13.7"])
    pip = f"{sys.executable} -m pip install"
    assert (old.state, old.detail, old.cure) == ("fail", "2.5.1+cpu is installed; torch>=2.6 is needed", f'{pip} "torch>=2.6"')
    assert (absent.state, absent.cure) == ("fail", f'{pip} "wilds>=2.0"') and "not installed" in absent.detail
    versions["gone-module"] = "1.0"
    (damaged,) = doctor.packages(["gone-module>=1.0"])
    assert "there is no module gone_module" in damaged.detail
    assert damaged.cure == f'{pip} --force-reinstall "gone-module>=1.0"'


@pytest.mark.parametrize(("have", "need", "enough"), [("2.10", "2.9", True), ("2.6.0", "2.6", True), ("1.9rc1", "2", False)])
def test_versions_are_compared_as_numbers(have, need, enough):
    assert (doctor._release(have) >= doctor._release(need)) is enough


# GPU


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine whose nvidia-smi and torch say what the test wants."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def say(script: str | None, torch: str = "") -> doctor.Diagnosis:
        if script is not None:
            (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
            (folder / "nvidia-smi").chmod(0o755)
        monkeypatch.setattr(doctor, "_TORCH", torch)
        return doctor.gpu()

    return say


ONE = "echo 'NVIDIA H200, 143771, 143155, 570.86.10'"
GOOD_TORCH = """print('["2.6.0", "12.6", 1]')"""


def test_no_gpu_is_a_warning_that_says_what_it_means(machine):
    found = machine(None)
    assert found.state == "warn" and "there is no nvidia-smi" in found.detail and "CPU cores" in found.detail
    assert "repro run digits" in found.cure


def test_a_driver_that_fails_or_hangs_is_told(machine, monkeypatch):
    found = machine("echo 'Driver/library version mismatch' >&2; exit 18")
    assert found.state == "warn" and "ended with 18: Driver/library version mismatch" in found.detail
    monkeypatch.setattr(doctor, "SMI_SECONDS", 0.2)
    found = machine("exec /bin/sleep 20")
    assert found.state == "warn" and "nvidia-smi did not answer within 0.2 s" in found.detail


def test_a_gpu_that_torch_sees(machine):
    found = machine(ONE, GOOD_TORCH)
    assert found.state == "ok"
    assert "1 found: NVIDIA H200 (139.8 of 140.4 GiB free), driver 570.86.10; torch 2.6.0 with CUDA 12.6 sees 1" in found.detail


@pytest.mark.parametrize(
    ("torch", "told", "cure"),
    [
        ("""print('["2.6.0+cpu", null, 0]')""", "built without CUDA", "--force-reinstall torch"),
        ("""print('["2.6.0", "12.6", 0]')""", "sees none of them", "driver for CUDA 12.6"),
        ("raise ImportError('libcudart.so')", "torch cannot be loaded: ", "import torch"),
    ],
)
def test_a_gpu_that_torch_cannot_use_is_a_failure(machine, torch, told, cure):
    found = machine(ONE, torch)
    assert found.state == "fail" and told in found.detail and cure in found.cure


def test_a_slow_torch_and_hidden_gpus(machine, monkeypatch):
    monkeypatch.setattr(doctor, "TORCH_SECONDS", 0.2)
    found = machine(ONE, "import time; time.sleep(20)")
    assert found.state == "fail" and "did not answer within 0.2 s" in found.detail
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    found = machine(ONE, "raise SystemExit(1)")
    assert (found.state, found.cure) == ("warn", "unset CUDA_VISIBLE_DEVICES")


# places and disk


def need(places, count: int = 0, here: bool = False, **fields) -> prepare.Need:
    return prepare.Need(name="a", root=places.data / "a", here=here, bytes=count, disk=count, **fields)


def test_places_are_proved_writable_and_nothing_is_left(places):
    assert states(doctor.writable(places)) == ["ok"]
    assert not places.home.exists()


def test_a_place_that_cannot_be_written_fails_unless_nothing_is_wanted_there(places, tmp_path):
    (tmp_path / "file").write_text("")
    bad = places.model_copy(update={"data": tmp_path / "file" / "data", "packs": tmp_path / "file" / "packs"})
    data, packs = doctor.writable(bad, [need(places, 5)])
    assert (data.subject, data.state) == ("data", "fail") and f"{tmp_path}/file is not a folder" in data.detail
    assert data.cure == "name another folder: repro --data DIR …, or set REPRO_DATA"
    assert packs.state == "fail" and "--packs" in packs.cure
    data, _ = doctor.writable(bad, [need(places, here=True)])
    assert data.state == "warn" and "nothing needs to be fetched" in data.detail


@pytest.mark.parametrize(
    ("free", "wanted", "state"),
    [(100 * 10**9, 2 * 10**9, "ok"), (10 * 10**9, 2 * 10**9, "warn"), (10**9, 2 * 10**9, "fail"), (10**6, 0, "fail")],
)
def test_disk_against_what_is_needed(places, monkeypatch, free, wanted, state):
    toy_benchmark.free_bytes(monkeypatch, free)
    (found,) = doctor.disk(places, [need(places, wanted)])
    assert found.state == state and "free on the disk of" in found.detail
    if wanted:
        assert "about 2.0 GB needed to fetch and unpack" in found.detail
    if state != "ok":
        assert found.cure.startswith("free some space below ") and "repro --data DIR" in found.cure


def test_preflight_raises_the_first_failure_in_three_lines(places, monkeypatch):
    doctor.preflight(places, [need(places, 10)])
    toy_benchmark.free_bytes(monkeypatch, 10**6)
    with pytest.raises(UserError) as caught:
        doctor.preflight(places, [need(places, 10)])
    assert caught.value.what.startswith("disk of data, packs, runs: 1.0 MB free") and "repro --data DIR" in caught.value.cure


# data


def test_what_is_here_missing_and_damaged(places, write, server):
    server.add("/x.bin", CONTENT)
    write("one", server.url("/x.bin"))

    def look() -> doctor.Diagnosis:
        (found,) = prepare.diagnose(prepare.assess(("one",), None, places), places)
        return found

    found = look()
    assert (found.subject, found.state) == ("one", "fail") and "to fetch: 100 kB" in found.detail
    assert found.cure == f"repro --home {places.home} data fetch one"
    ensure(manifest.load("one"), places)
    assert look().state == "ok"
    (places.data / "one" / "x.bin").write_bytes(CONTENT[:50])
    damaged = look()
    assert damaged.state == "fail" and "data fetch one" in damaged.cure
    (overview,) = prepare.overview([manifest.load("one")], places)
    assert overview.state == "warn" and overview.cure == damaged.cure


def test_what_has_no_files_of_its_own_names_whose_it_has(tmp_path):
    (found,) = prepare.overview([manifest.load("redshifts")], Places.find(home=tmp_path))
    assert (found.state, found.detail) == ("ok", "is not here, its files are those of astroclassification")


# the command


def test_overview_of_the_machine(places, write, capsys, machine):
    machine(None)
    write("one", dead_url())
    assert repro(places.home, "doctor", "--offline") == 0
    out = capsys.readouterr().out
    assert "is not here" in out and "network" not in out and "0 to mend" in out


def test_a_benchmark_that_lacks_data_exits_with_1_and_says_how_to_get_them(places, write, server, capsys, monkeypatch, machine):
    machine(None)
    server.add("/x.bin", CONTENT)
    write("one", server.url("/x.bin"))
    toy_benchmark.offer_benchmark(monkeypatch, ("one",))
    assert repro(places.home, "doctor", "toy") == 1
    out = capsys.readouterr().out
    assert "fail one" in out and f"try: repro --home {places.home} data fetch one\n" in out and "1 of 1 answer" in out
    assert repro(places.home, "doctor", "toy", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False and {"subject", "state", "detail", "cure"} == set(told["checks"][0])
    ensure(manifest.load("one"), places)
    assert repro(places.home, "doctor", "toy", "--offline", "--json") == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


def test_digits_needs_nothing_and_folder_is_told_its_options(places, capsys, machine):
    machine(None)
    assert repro(places.home, "doctor", "digits") == 0
    assert "needs no data but its own" in capsys.readouterr().out
    assert repro(places.home, "doctor", "folder") == 0
    assert "try: repro run folder --root DIR" in capsys.readouterr().out


def test_wrong_name_and_broken_manifest(places, write, capsys, tmp_path, machine):
    machine(None)
    assert repro(places.home, "doctor", "digit") == 2
    assert "did you mean 'digits'?" in capsys.readouterr().err
    (tmp_path / "manifests" / "bad.toml").write_text('name = "bad"\ntypo = 1\n')
    assert repro(places.home, "doctor", "--offline") == 1
    assert "fail bad" in capsys.readouterr().out


def test_missing_packages_end_the_look_there(places, capsys, monkeypatch):
    monkeypatch.setattr(doctor, "requirements", lambda: ["no-such-package>=1"])
    assert repro(places.home, "doctor") == 1
    out = capsys.readouterr().out
    assert "fail no-such-package" in out and 'pip install "no-such-package>=1"' in out and "GPU" not in out


def test_doctor_is_quick_and_torch_free(places):
    code = "import sys; from repro import cli\ntry: cli.main(['doctor', 'digits', '--offline'])\nexcept SystemExit: print('torch' in sys.modules)"
    environment = os.environ | {"PATH": "", "REPRO_HOME": str(places.home)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment)
    assert done.stdout.splitlines()[-1] == "False", done.stderr
