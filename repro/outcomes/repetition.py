"""What it takes to run a finished run again, and whether it is still there."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from repro import backbones, plugins
from repro.errors import UserError, quoted
from repro.known_weights import sha256_for
from repro.outcomes.finished import Finished
from repro.paths import Places
from repro.preflight import prepare
from repro.reading import loading
from repro.reading.examples import Examples
from repro.types import Benchmark, Run, Split


class Repetition(NamedTuple):
    """A run to be repeated: with the parents that it had, whose files are here, and the weights file that it started from."""

    run: Run
    parents: dict[str, Finished]
    weights_file: Path | None

    @staticmethod
    def examples(benchmark: Benchmark, split: Split) -> Examples:
        """A split's examples, read only where no pack has them, from where the run saw them."""
        roots, needs = (benchmark.roots, benchmark.needs) if not split.apart else ({split.name: split.apart.root}, (split.apart.name,))
        gone = [root for root in roots.values() if not Path(root).exists()]
        if gone and not benchmark.tiny:
            fetch = f"repro data fetch {' '.join(needs)}, then link it there" if needs else "put them back there"
            raise UserError(
                f"the images of {benchmark.title} are gone", f"the run saw them in {gone[0]}, and {split.name} is not packed", fetch
            )
        return loading.load(benchmark, split)


def of(original: Finished, places: Places, weights: str | None = None) -> Repetition:
    """How to repeat a run; `weights` names the file that it started from, where that is not where its manifest puts it.

    `UserError`: its method or backbone is gone or another now, a parent or its weights are gone, the weights file is not the same.
    """
    run = original.result.run
    _require_method(original)
    _require_backbone(run)
    known = original.parents()
    for role, key in run.parents.items():
        if role not in known:
            raise UserError(
                f"run {key} is gone, from which {original.result.key} starts ({role})", f"looked in {original.store.root}", _again(run)
            )
        _require_weights(known[role])
    return Repetition(run, known, _weights_file(original, places, weights))


def _again(run: Run) -> str:
    """The command that makes such runs, from which a repetition can start."""
    return f"repro run {run.benchmark.name} --method {run.method}{' --tiny' if run.benchmark.tiny else ''}, with the settings that repro show lists"


def _made_by(original: Finished) -> str:
    environment = original.result.environment
    return f"run it with the program that made it: repro {environment.get('repro', '')} {environment.get('commit', '')}".rstrip()


def _require_method(original: Finished) -> None:
    run = original.result.run
    if run.method not in plugins.names("methods") or run.benchmark.name not in plugins.names("benchmarks"):
        what = f"method {run.method}" if run.method not in plugins.names("methods") else f"benchmark {run.benchmark.name}"
        raise UserError(f"this program has no {what}, of which run {original.result.key} is", "it was removed since", _made_by(original))
    version = plugins.declared(run.method).version
    if version != run.method_version:
        why = f"the run is of version {run.method_version}, this program has version {version}: the numbers would be others"
        raise UserError(f"method {run.method} is not what it was when run {original.result.key} was made", why, _made_by(original))
    now = plugins.benchmark(run.benchmark.name).VERSION
    if now != run.benchmark.version:
        why = f"the run is of version {run.benchmark.version}, this program has version {now}: its splits are made otherwise"
        raise UserError(
            f"benchmark {run.benchmark.name} is not what it was when run {original.result.key} was made", why, _made_by(original)
        )


def _require_backbone(run: Run) -> None:
    if backbones.definition(backbones.find(run.backbone.name)) != run.backbone.definition:
        why = "its entry in backbones.toml, or the layout of its file, has changed since"
        raise UserError(f"backbone {run.backbone.name} is not what it was when run {run.key} was made", why, _again(run))


def _require_weights(parent: Finished) -> None:
    kept = [name for name in parent.result.files if name.startswith("weights-")]
    lost = [name for name in kept if not (parent.folder / name).is_file()]
    if lost or not kept:
        why = f"{lost[0]} is not in {parent.folder}" if lost else "it was run with keep_weights=none"
        cure = f"rm -r {quoted(parent.folder)}, then {_again(parent.result.run)}"
        raise UserError(f"the weights of run {parent.result.key}, from which another starts, are not kept", why, cure)


def _weights_file(original: Finished, places: Places, named: str | None) -> Path | None:
    """The file whose content the run started from; None where it started from another run, or from random weights."""
    run = original.result.run
    if run.backbone.weights is None or not plugins.declared(run.method).pretrained or "backbone" in run.parents:
        return None
    entry = backbones.find(run.backbone.name)
    name = original.result.extras.get("weights", {}).get("file", "its file")
    if named is None:
        found = prepare.weights_of(entry.weights, places) if entry.weights else None
        if found is None or not found.path.is_file():
            standard = f"repro data fetch {entry.weights.replace(':', ' --only ')}, or " if entry.weights else ""
            why = f"{name}, sha256 {run.backbone.weights[:16]}…" + (f", is not at {found.path}" if found else "")
            raise UserError(f"the weights that run {run.key} started from are not here", why, f"{standard}name them: --weights FILE")
        named = str(found.path)
    if (digest := sha256_for(entry, Path(named))) != run.backbone.weights:
        why = f"its sha256 is {digest[:16]}…, that of {name} was {run.backbone.weights[:16]}…"
        raise UserError(f"{named} is not the file that run {run.key} started from", why, "name that one: --weights FILE")
    return Path(named)
