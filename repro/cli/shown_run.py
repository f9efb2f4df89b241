"""One run in full, as `repro show KEY` prints it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repro.cli.curves import curves
from repro.cli.left_out import telling
from repro.display import tables
from repro.errors import UserError
from repro.figures.searches import trials_of
from repro.outcomes import metrics, predicted, reruns
from repro.outcomes.costs import duration
from repro.outcomes.finished import Finished, applicable
from repro.outcomes.selection import reported
from repro.outcomes.store import Store
from repro.outcomes.stored import Damaged
from repro.papers import quirks
from repro.papers.quirks import Quirk
from repro.types import Checkpoint, Failure, Result, Run

WIDTH = 11  # of the names at the left


def as_json(record: Result | Failure, folder: Path, store: Store) -> dict[str, Any]:
    """The stored record with what follows from it and from what stands beside it."""
    found = record.model_dump(mode="json")
    found |= {"folder": str(folder), "quirks": [quirk.model_dump(mode="json") for quirk in _quirks(record.run, store)]}
    if isinstance(record, Result):
        found |= {
            "selected": {rule: reported(record, rule).name for rule in applicable(record)},
            "seeds": {str(other.run.seed): other.key for other in _siblings(record, store)},
            "prediction_error": {"seconds": predicted.error(record), "peak_memory_bytes": predicted.memory_error(record)},
            "reruns": [one.model_dump(mode="json") for one in reruns.recorded(folder)],
        }
    return found


def show(record: Result | Failure, folder: Path, store: Store) -> None:
    """What it is and what came of it."""
    _line("folder", folder)
    _identity(record.run, record.key, store)
    if isinstance(record, Result):
        others = [
            f"{other.run.seed} {other.key}" if other.key != record.key else f"{other.run.seed} (this)" for other in _siblings(record, store)
        ]
        _line("seeds", ", ".join(others))
    _recipe(record.run)
    _show_quirks(_quirks(record.run, store))
    if isinstance(record, Failure):
        _line("failed", record.failed)
        _line("error", record.error)
        print(record.trace)
        return
    _checkpoints(Finished(record, folder))
    _left(record, folder)
    _trials(record)
    _saw(_told_here(record.extras))
    _cost(record)
    _environment(record.environment)
    for one in reruns.recorded(folder):
        _line("repeated", f"{one.date}: {one.sentence}")


def _line(name: str, text: object) -> None:
    print(f"{name:<{WIDTH}} {text}")


def _siblings(result: Result, store: Store) -> list[Result]:
    with telling(result.run.benchmark.tiny) as damaged:
        return tables.siblings(result, store.results(result.run.benchmark.name, damaged))


def _identity(run: Run, key: str, store: Store) -> None:
    weights = f", weights {run.backbone.weights[:16]}" if run.backbone.weights else ""
    arguments = "".join(f",{name}={value}" for name, value in run.backbone.kwargs.items())
    _line("key", key)
    apart = "".join(f"; {name}, data {data[:12]}" for name, data in run.apart.items())
    _line("benchmark", f"{run.benchmark.title} (version {run.benchmark.version}, data {run.benchmark.data[:12]}{apart})")
    _line("method", f"{run.method} (version {run.method_version}), seed {run.seed}")
    _line("backbone", f"{run.backbone.name}{arguments}{weights}")
    for role, parent in run.parents.items():
        damaged: list[Damaged] = []
        found = _stored(store, parent, damaged)
        _line("starts from", f"{role}: {parent} ({found.label if found else 'damaged' if damaged else 'not in this store'})")


def _recipe(run: Run) -> None:
    print("recipe")
    for field, value in run.recipe.told().items():
        print(f"  {field:<16} {value!s:<24} {run.provenance.get(field, 'default')}")


def _quirks(run: Run, store: Store) -> tuple[Quirk, ...]:
    return quirks.of(run, lambda key: _stored(store, key))


def _show_quirks(found: tuple[Quirk, ...]) -> None:
    if found:
        print("quirks")
    for quirk in found:
        print(f"  {quirk.name}: {quirk.text}\n    {quirk.source}")


def _stored(store: Store, key: str, damaged: list[Damaged] | None = None) -> Run | None:
    """The run of a key where it is in the store and can be read."""
    try:
        result = store.read_result(store.find(key), damaged)
    except UserError:
        return None
    return result.run if result else None


def _checkpoints(run: Finished) -> None:
    """A line per checkpoint, those that a rule selects marked; the curves; what else was measured at the reported one."""
    points, benchmark = run.result.checkpoints, run.result.run.benchmark
    headlines = {split.name: benchmark.metric_of(split) for split in benchmark.splits}
    judged = [split for split in headlines if any(split in point.metrics for point in points)]
    print(f"checkpoints ({metrics.spell_units((split, headlines[split]) for split in judged)})" if judged else "checkpoints")
    losses = list(dict.fromkeys(name for point in points for name in point.train))
    columns = {split: [point.metrics.get(split, {}).get(headlines[split]) for point in points] for split in judged}
    columns |= {name: [point.train.get(name) for point in points] for name in losses}
    cells = {name: [_cell(value, headlines.get(name)) for value in values] for name, values in columns.items()}
    widths = {name: max(len(name), *map(len, texts)) for name, texts in cells.items()}
    print(f"  {'':<12} {'  '.join(f'{name:>{width}}' for name, width in widths.items())}".rstrip())
    rules = {rule: reported(run.result, rule).name for rule in applicable(run.result)}
    for index, point in enumerate(points):
        row = "  ".join(f"{cells[name][index]:>{width}}" for name, width in widths.items())
        marks = [rule for rule, name in rules.items() if name == point.name]
        print(f"  {point.name:<12} {row}{'  ← ' + ', '.join(marks) if marks and len(points) > 1 else ''}".rstrip())
    for line in curves(columns):
        print(f"  {line}")
    _beside(run.reported(), headlines)


def _cell(value: float | None, metric: str | None) -> str:
    """A value of a split's headline metric, or of a loss where `metric` is None."""
    return metrics.shown(metric, value) if metric or value is None else f"{value:.4g}"


def _beside(point: Checkpoint, headlines: dict[str, str]) -> None:
    """What was measured of each split beside its headline metric: a line of other metrics, then one for each grouping."""
    lines: dict[str, list[str]] = {}
    for split, values in point.metrics.items():
        for metric, value in values.items():
            if metric != headlines[split]:
                grouping, _, group = metric.partition("=") if "=" in metric else ("", "", metrics.title(metric))
                lines.setdefault(f"{split}{f' by {grouping}' if grouping else ''}", []).append(f"{group} {metrics.shown(metric, value)}")
    if lines:
        print(f"beside them, at {point.name}")
    for title, entries in lines.items():
        print(f"  {title}: {', '.join(entries)}")


def _left(result: Result, folder: Path) -> None:
    """What is kept on disk, and what of it is there no more."""
    for what, names in result.kept.items():
        if names:
            _line("kept", f"{what} of {', '.join(names)}")
    sizes = {name: (folder / name).stat().st_size for name in result.files if (folder / name).is_file()}
    if result.files:
        lost = [name for name in result.files if name not in sizes]
        _line("files", f"{len(sizes)}, {sum(sizes.values()) / 2**20:,.1f} MiB" + (f"; gone: {', '.join(lost)}" if lost else ""))


def _told_here(extras: dict[str, Any]) -> dict[str, Any]:
    """What has no place of its own, the number of examples beside the pack that they came from."""
    examples = extras.get("examples", {})
    told = {name: value for name, value in extras.items() if name not in ("trials", "space", "examples", predicted.FIELD)}
    if "packs" in told:
        numbers = {name: examples.get(name.partition(",")[0]) for name in told["packs"]}
        told["packs"] = {
            name: content if numbers[name] is None else f"{content}, {numbers[name]:,} examples" for name, content in told["packs"].items()
        }
    return told


def _saw(extras: dict[str, Any]) -> None:
    """What the run saw and found, entry by entry: packs by their content, the weights file, the preprocessing, a method's own findings."""
    for name, value in extras.items():
        if not isinstance(value, dict):
            _line(name, value)
            continue
        print(name)
        for inner, item in value.items():
            print(f"  {inner:<16} {_few(item)}")


def _few(value: Any) -> Any:
    """A long list by its first and last entries."""
    return f"{len(value)}: {', '.join(map(str, value[:5]))}, … {value[-1]}" if isinstance(value, list) and len(value) > 12 else value


def _trials(result: Result) -> None:
    """A line per trial of a search, the one that was chosen marked."""
    trials = trials_of(result)
    if not trials:
        return
    metric, chosen = result.extras["search"]["metric"], result.extras["best"]["trial"]
    names = list(trials[0].settings)
    print(
        f"trials ({metrics.title(metric)}{'' if metrics.BY_NAME[metric].of_logits else ', in %'})"
        if metric in metrics.BY_NAME
        else "trials"
    )
    heads = "  ".join(f"{name.removeprefix('weight_'):>12}" for name in names)
    print(f"  {'':>4} {'score':>9}  {heads}  {'seconds':>7}")
    for trial in trials:
        score = "diverged" if trial.score is None else metrics.shown(metric, trial.score)
        row = "  ".join(f"{trial.settings[name]:>12.3g}" for name in names)
        print(f"  {trial.number:>4} {score:>9}  {row}  {trial.seconds:>7.1f}{'  ← chosen' if trial.number == chosen else ''}")


def _cost(result: Result) -> None:
    parts = [duration(result.seconds["total"])]
    parts += [f"{name} {duration(result.seconds[name])}" for name in ("fit", "judge", "pack") if name in result.seconds]
    if result.seconds.get("fit") and "data" in result.seconds:
        parts.append(f"{result.seconds['data'] / result.seconds['fit']:.1%} of fit waiting for data")
    parts += [f"{result.images_per_second:,.0f} images/s"] if result.images_per_second else []
    parts += [f"peak memory {result.peak_memory_bytes / 2**20:,.0f} MiB"] if result.peak_memory_bytes else []
    _line("cost", ", ".join(parts))
    _predicted(result)
    _line("finished", result.finished)


def _predicted(result: Result) -> None:
    """What the run had been expected to cost, how far that was off, and what it was known from."""
    if (told := predicted.prediction(result)) is None:
        return
    parts = {f"{duration(told.seconds)} ({_off(predicted.error(result))})": told.source}
    if (off := predicted.memory_error(result)) is not None:
        parts[f"{told.peak_memory_bytes / 2**20:,.0f} MiB ({_off(off)})"] = told.memory_source
    sources = {source: [part for part, each in parts.items() if each == source] for source in parts.values()}
    _line("predicted", "; ".join(f"{', '.join(those)} from {predicted.SOURCES[source]}" for source, those in sources.items()))


def _off(error: float | None) -> str:
    return "–" if error is None else f"{round(100 * error):+d} %".replace("-", "−")


def _environment(environment: dict[str, Any]) -> None:
    print("environment")
    for name, value in environment.items():
        text = ", ".join(f"{inner} {item}" for inner, item in value.items()) if isinstance(value, dict) else value
        print(f"  {name:<16} {text}")
