"""What the validations on real images share: packs of JPEG files written out as folders, `repro run folder` on them, its table as a file.

The images (research use only) and weights are not part of this project: they are read from $REPRO_SHARED/data, or from ../shared/data
beside the checkout. A pack is an .npz with `data` (JPEG files end to end), `offsets`, `labels` and
the labels' names, `classes` or `wnids`.
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from repro.display import render, tables
from repro.outcomes.store import Store
from repro.paths import Places
from repro.preflight import environment
from repro.types import Result

HERE = Path(__file__).resolve().parent


class Wanted(NamedTuple):
    """Where the images of one label of a pack go, and how many of them: the first `count`, None for all."""

    folder: Path
    count: int | None = None


def shared_data(*needed: str) -> Path:
    root = Path(os.environ.get("REPRO_SHARED") or HERE.parent.parent / "shared") / "data"
    if absent := [name for name in needed if not (root / name).is_dir()]:
        sys.exit(f"no {', '.join(absent)} below {root}: set REPRO_SHARED")
    return root


def lay_out(path: Path, wanted: dict[str, Wanted]) -> None:
    """<folder>/<number in the pack>.jpg with the pack's own JPEG bytes, for each label that is wanted."""
    with np.load(path) as pack:
        data, offsets, labels = pack["data"].tobytes(), pack["offsets"], pack["labels"]
        names = pack["wnids" if "wnids" in pack else "classes"].astype(str)
    digits = len(str(len(labels) - 1))
    for label, name in enumerate(names.tolist()):
        if name not in wanted:
            continue
        folder, count = wanted[name]
        folder.mkdir(parents=True, exist_ok=True)
        for number in np.flatnonzero(labels == label)[:count]:
            image = folder / f"{number:0{digits}d}.jpg"
            if not image.exists():
                image.write_bytes(data[offsets[number] : offsets[number + 1]])


def check_counts(expected: dict[Path, int]) -> None:
    """Each domain's folder holds as many images as it should, no more."""
    for domain, count in expected.items():
        if (found := sum(1 for _ in domain.glob("*/*.jpg"))) != count:
            sys.exit(f"{domain} holds {found} images, not {count}: remove it, then run the same command again")


def settings(common: Iterable[str], training: Iterable[str] = (), grids: Mapping[str, str] | None = None) -> list[str]:
    """`--set` for every method, then `training` and a sweep of the learning rate for each method of `grids`."""
    own = (f"{method}.{setting}" for method, grid in (grids or {}).items() for setting in (*training, f"lr={grid}"))
    return [word for setting in (*common, *own) for word in ("--set", setting)]


def run(arguments: list[str]) -> list[Result]:
    """`repro run …`, shown as it goes; the results of the runs that were asked for, without those that diverged (it then says 1)."""
    program = [sys.executable, "-m", "repro", "run", *arguments]
    plan = json.loads(subprocess.run([*program, "--dry-run", "--json"], check=True, capture_output=True, text=True).stdout)
    if (code := subprocess.run(program).returncode) > 1:
        sys.exit(code)
    stored = {result.key: result for result in Store(Places.find().runs).results(arguments[0])}
    return [stored[entry["key"]] for entry in plan["runs"] if entry["asked"] and entry["key"] in stored]


def markdown(results: list[Result]) -> str:
    """The table of `results`; what they start from is looked up in the store."""
    everything = Store(Places.find().runs).results(results[0].run.benchmark.name)
    made = tables.build(everything, only=frozenset(result.key for result in results))
    return "\n".join(render.markdown(table) for table in made)


def write(name: str, title: str, note: str, table: str) -> None:
    """bench/<name>.md: when, where and on what, then the table."""
    machine = environment.describe()
    head = (
        f"# {title}\n\n`python -m bench.{name}`, {datetime.date.today()}, {machine['processor']}, {os.cpu_count()} cores, "
        f"torch {machine['packages']['torch']}, commit {machine.get('commit', 'unknown')[:10]}. {note}\n\n"
    )
    path = HERE / f"{name}.md"
    path.write_text(head + table, encoding="utf-8")
    print(f"written: {path}")
