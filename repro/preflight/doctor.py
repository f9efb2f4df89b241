"""Preflight: what could stop a run, looked at beforehand. Every line that warns or fails carries the command that cures it.

Nothing here imports a package that it checks: versions are read from metadata, GPUs are asked about in processes of their own.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from repro.data.amounts import size
from repro.errors import UserError, quoted
from repro.paths import SPARE, Places
from repro.record import Record

if TYPE_CHECKING:
    from repro.preflight.prepare import Need

SMI_SECONDS, TORCH_SECONDS = 10.0, 60.0  # a GPU that has fallen off the bus hangs nvidia-smi; torch on a cold disk is slow to load
MODULES = {"open-clip-torch": "open_clip", "scikit-learn": "sklearn", "pillow": "PIL"}  # where the import's name is another
WRITTEN = ("data", "packs", "runs")
# Below these a long run may well end in a full disk: 50,000 images packed at 224 px are 7.5 GB, a ViT-L checkpoint is 1.2 GB.
ROOM = {"data": 0, "packs": 10 * 10**9, "runs": 5 * 10**9}


class Diagnosis(Record):
    """What was seen of one subject. `fail`: a run would break; `warn`: it would not, but know this; both name their `cure`."""

    subject: str
    state: Literal["ok", "warn", "fail"]
    detail: str
    cure: str = ""


def failed(diagnoses: Iterable[Diagnosis]) -> list[Diagnosis]:
    return [diagnosis for diagnosis in diagnoses if diagnosis.state == "fail"]


# packages


def requirements() -> list[str]:
    """What the program declares that it needs: of the checkout it runs from, else of its installed metadata. Extras are left out."""
    project = Path(__file__).resolve().parent.parent.parent / "pyproject.toml"
    if project.is_file():
        return tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    try:
        return [entry for entry in metadata.requires("repro") or [] if "extra ==" not in entry]
    except metadata.PackageNotFoundError:
        return []


def _release(version: str) -> tuple[int, ...]:
    """The numbers before any suffix, without trailing zeros: 2.6.0+cpu is (2, 6)."""
    numbers = [int(part) for part in re.match(r"\d*(?:\.\d+)*", version)[0].split(".") if part]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def packages(required: Sequence[str] | None = None) -> list[Diagnosis]:
    """One line for each package that is absent, too old or damaged; one for all where none is."""
    bad, seen = [], []
    for requirement in requirements() if required is None else required:
        name, least = re.match(r"([\w.-]+)\s*(?:>=\s*([\d.]+))?", requirement).groups()
        module = MODULES.get(re.sub(r"[-_.]+", "-", name).lower(), name.replace("-", "_"))
        cure = f'{quoted(sys.executable)} -m pip install "{requirement}"'
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            bad.append(Diagnosis(subject=name, state="fail", detail=f"is not installed; {requirement} is needed", cure=cure))
            continue
        if least and _release(version) < _release(least):
            bad.append(Diagnosis(subject=name, state="fail", detail=f"{version} is installed; {requirement} is needed", cure=cure))
        elif importlib.util.find_spec(module) is None:
            detail = f"{version} is listed as installed, but there is no module {module}"
            bad.append(Diagnosis(subject=name, state="fail", detail=detail, cure=cure.replace("install", "install --force-reinstall")))
        else:
            seen.append(f"{name} {version}")
    if bad:
        return bad
    detail = f"Python {platform.python_version()}, {len(seen)} packages at sufficient versions: {', '.join(seen[:4])}, …"
    return [Diagnosis(subject="packages", state="ok", detail=detail)]


# GPU

_SMI = ["nvidia-smi", "--query-gpu=name,memory.total,memory.free,driver_version", "--format=csv,noheader,nounits"]
_TORCH = "import json, torch; print(json.dumps([torch.__version__, torch.version.cuda, torch.cuda.device_count()]))"


def _output(arguments: Sequence[str], seconds: float) -> tuple[str | None, str]:
    """Standard output of a command (None where it failed) and a sentence on the failure."""
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=seconds)
    except FileNotFoundError:
        return None, f"there is no {arguments[0]}"
    except subprocess.TimeoutExpired:
        return None, f"{Path(arguments[0]).name} did not answer within {seconds:g} s"
    except OSError as error:
        return None, f"{arguments[0]}: {error.strerror}"
    if done.returncode:
        lines = (done.stderr + done.stdout).strip().splitlines()
        return None, f"{Path(arguments[0]).name} ended with {done.returncode}: {lines[-1] if lines else 'it said nothing'}"
    return done.stdout, ""


def gpu() -> Diagnosis:
    """GPUs, driver, and whether torch can use them; torch is only loaded, in another process, where there is a GPU at all."""
    listing, why = _output(_SMI, SMI_SECONDS)
    found = [[field.strip() for field in line.split(",")] for line in (listing or "").splitlines() if line.count(",") >= 3]
    if not found:
        detail = f"none found ({why or 'nvidia-smi lists none'}): runs are on {os.cpu_count()} CPU cores, enough for digits and for --tiny"
        cure = "nvidia-smi, once this machine has an NVIDIA GPU and its driver; without one: repro run digits"
        return Diagnosis(subject="GPU", state="warn", detail=detail, cure=cure)
    driver = found[0][3]
    named = ", ".join(f"{name} ({_gib(free)} of {_gib(total)} GiB free)" for name, total, free, *_ in found)
    seen = f"{len(found)} found: {named}, driver {driver}"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in ("", "-1"):
        detail = f"{seen}; CUDA_VISIBLE_DEVICES={hidden!r} hides them, so runs are on the CPU"
        return Diagnosis(subject="GPU", state="warn", detail=detail, cure="unset CUDA_VISIBLE_DEVICES")
    answer, why = _output([sys.executable, "-c", _TORCH], TORCH_SECONDS)
    if answer is None:
        return Diagnosis(
            subject="GPU", state="fail", detail=f"{seen}; torch cannot be loaded: {why}", cure=f'{sys.executable} -c "import torch"'
        )
    version, cuda, count = json.loads(answer.splitlines()[-1])
    if not cuda:
        cure = f"{quoted(sys.executable)} -m pip install --force-reinstall torch torchvision"
        return Diagnosis(subject="GPU", state="fail", detail=f"{seen}; torch {version} is built without CUDA", cure=cure)
    if not count:
        detail = f"{seen}; torch {version}, built for CUDA {cuda}, sees none of them"
        return Diagnosis(
            subject="GPU", state="fail", detail=detail, cure=f"install an NVIDIA driver for CUDA {cuda} or newer, then: nvidia-smi"
        )
    return Diagnosis(subject="GPU", state="ok", detail=f"{seen}; torch {version} with CUDA {cuda} sees {count}")


def _gib(mebibytes: str) -> str:
    try:
        return f"{float(mebibytes) / 1024:.1f}"
    except ValueError:  # "[N/A]" on machines whose GPU shares the CPU's memory
        return "?"


# places


def _existing(folder: Path) -> Path:
    while not os.path.exists(folder) and folder != folder.parent:  # unlike Path.exists, without an error where a parent is closed to us
        folder = folder.parent
    return folder


def _refusal(folder: Path) -> str | None:
    """Why nothing can be written below `folder`, which may not exist yet; None where it can. Leaves nothing behind."""
    existing = _existing(folder)
    if not existing.is_dir():
        return f"{existing} is not a folder"
    try:
        with tempfile.TemporaryFile(dir=existing):
            return None
    except OSError as error:
        return f"{existing}: {error.strerror or error}"


def _elsewhere(place: str) -> str:
    return f"name another folder: repro --{place} DIR …, or set REPRO_{place.upper()}"


def writable(places: Places, needs: Sequence[Need] = ()) -> list[Diagnosis]:
    """Whether each place can be written to. A read-only data folder that holds all that is needed is as good as any."""
    diagnoses = []
    for place in WRITTEN:
        folder = getattr(places, place)
        why = _refusal(folder)
        if why is None:
            continue
        enough = place == "data" and all(need.here for need in needs)
        detail = f"{folder} cannot be written to ({why}){'; nothing needs to be fetched' if enough else ''}"
        diagnoses.append(Diagnosis(subject=place, state="warn" if enough else "fail", detail=detail, cure=_elsewhere(place)))
    if not diagnoses:
        detail = f"{', '.join(f'{place} {getattr(places, place)}' for place in WRITTEN)}: all can be written to"
        diagnoses.append(Diagnosis(subject="places", state="ok", detail=detail))
    return diagnoses


def disk(places: Places, needs: Sequence[Need] = ()) -> list[Diagnosis]:
    """Free bytes of each disk that holds a place, against what is to be fetched, unpacked, packed and kept there."""
    disks: dict[int, list[str]] = {}
    for place in WRITTEN:
        disks.setdefault(_existing(getattr(places, place)).stat().st_dev, []).append(place)
    needed_for_data = sum(need.disk for need in needs)
    diagnoses = []
    for on_it in disks.values():
        folder = _existing(getattr(places, on_it[0]))
        free = shutil.disk_usage(folder).free
        needed = needed_for_data if "data" in on_it else 0
        room = needed + sum(ROOM[place] for place in on_it)
        seen = f"{size(free)} free on the disk of {folder}"
        told = f"about {size(needed)} needed to fetch and unpack" if needed else "nothing to fetch"
        subject = f"disk of {', '.join(on_it)}"
        cure = f"free some space below {folder}, or {_elsewhere(on_it[0])}"
        if needed + SPARE > free:
            diagnoses.append(Diagnosis(subject=subject, state="fail", detail=f"{seen}; {told}", cure=cure))
        elif room > free:
            detail = f"{seen}; {told}; packed images and checkpoints may take {size(room - needed)} more"
            diagnoses.append(Diagnosis(subject=subject, state="warn", detail=detail, cure=cure))
        else:
            diagnoses.append(Diagnosis(subject=subject, state="ok", detail=f"{seen}; {told}"))
    return diagnoses


# before a long job


def preflight(places: Places, needs: Sequence[Need]) -> None:
    """The quick part, without network, GPU or packages: raise the first failure as a `UserError`."""
    for diagnosis in failed([*writable(places, needs), *disk(places, needs)]):
        raise UserError(
            f"{diagnosis.subject}: {diagnosis.detail}", "looked at before a long run, which would have stopped there", diagnosis.cure
        )
