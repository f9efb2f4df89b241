"""What a backbone starts from: a file, random weights, or a run that pretrains it; decided before anything is run."""

from __future__ import annotations

from collections.abc import Iterable

from repro import plugins
from repro.errors import UserError
from repro.planning.recipe import Choice, Setting
from repro.settings import Recipe
from repro.types import BackboneRef, Benchmark, Method, Parent, Run

OWN, RANDOM = "own", "random"


def comes_pretrained(benchmark: Benchmark, backbone: str) -> bool:
    """Whether a run of the plan makes the backbone's weights."""
    return benchmark.pretrained_by is not None and backbone == benchmark.backbone


def pretraining(method: Method, recipe: Recipe, benchmark: Benchmark, backbone: str, own_weights: bool) -> Parent | None:
    """The run, one for all seeds, that makes the weights which a method starts from; None: a file does, or they are random."""
    if not method.pretrained or recipe.init == RANDOM:
        return None
    if recipe.init == OWN:
        made = comes_pretrained(benchmark, backbone) and not own_weights
        return Parent(method=benchmark.pretrained_by, shared=True) if made else None
    known = stages()
    if recipe.init not in known or recipe.init == method.name:
        raise UserError(
            f"{method.name}: init={recipe.init} names no pretraining",
            f"it is {OWN}, {RANDOM}, {', '.join(name for name in known if name != method.name)}",
            f"for example --set {method.name}.init={known[-1] if known[-1] != method.name else RANDOM}",
        )
    return Parent(method=recipe.init, shared=True)


def stages() -> list[str]:
    """The methods that pretrain a backbone."""
    return [name for name in plugins.names("methods") if (one := plugins.declared(name)).trains_on == "pretrain" and not one.reported]


def require_splits(method: Method, recipe: Recipe, benchmark: Benchmark) -> None:
    """The splits that a recipe names must be among those which the method can take without labels."""
    if recipe.unlabelled is None or "unlabelled" not in method.fields:
        return
    free = method.trained_on(benchmark, recipe.model_copy(update={"unlabelled": None}))
    known = [split.name for split in free if split.role == "pretrain"]
    if wrong := sorted(set(recipe.unlabelled) - set(known)):
        why = f"there {'are' if len(known) > 1 else 'is'} {', '.join(known)}"
        raise UserError(
            f"{method.name}: {benchmark.name} has no split {wrong[0]!r} to use without labels",
            why,
            f"--set {method.name}.unlabelled={known[0]}",
        )


def impossible_stage(method: Method, stage: str, why: str) -> UserError:
    """The error for a pretraining that cannot run, for that reason."""
    return UserError(f"{method.name} starts from {stage}, which cannot run", why, f"--set {method.name}.init={OWN}, or another benchmark")


def inherited(recipe: Recipe, other: Method) -> list[Setting]:
    """What a run that another starts from shares with it: the weights that both began with, where the later run says which."""
    if recipe.init == OWN or "init" not in other.fields or not other.reported:
        return []
    return [Setting(other.name, "init", (recipe.init,), f"{other.name}.init={recipe.init}")]


def from_file(choices: Iterable[Choice], stage: Iterable[Choice]) -> bool:
    """Whether any recipe of a method, or of the pretraining that it names, begins with the backbone's own weights."""
    return any(choice.recipe.init == OWN for choice in (*choices, *stage))


def reference(backbone: BackboneRef, method: Method, recipe: Recipe) -> BackboneRef:
    """The network with the content of the file that a run reads; none where it starts otherwise."""
    return backbone if method.pretrained and recipe.init == OWN else backbone.model_copy(update={"weights": None})


def require_one(method: Method, combinations: list[dict[str, Run]], kept: list[dict[str, Run]]) -> None:
    """A method whose parents started from different weights could start from none of them."""
    if combinations and not kept:
        raise UserError(
            f"{method.name} starts from runs of different pretraining",
            "the runs that it starts from, and itself, must begin with the same weights",
            "one for all: --set init=… without a method's name",
        )
