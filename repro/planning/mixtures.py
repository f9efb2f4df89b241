"""Which finished runs can be mixed in weight space, told before any of them is run."""

from __future__ import annotations

from repro import plugins
from repro.errors import UserError, unknown
from repro.planning.passes import searches
from repro.settings import IMAGES, Recipe
from repro.types import Benchmark, Method, Parent, Run


class Unfit(UserError):
    """A method's parents do not go together on this backbone or with these settings."""


def bases(method: Method) -> list[str]:
    """What it may mix runs of: methods that train and are rows of tables, and the start of its line, which mixed with itself stays itself."""
    ends = {parent.method for parent in method.parents.values() if parent.start_of}
    declared = [plugins.declared(name) for name in plugins.names("methods") if name != method.name]
    return [other.name for other in declared if other.reported and ("epochs" in other.fields or other.name in ends)]


def named(method: Method, parent: Parent, recipe: Recipe) -> Parent:
    """The parent, of the method that the recipe names where it may."""
    if parent.field is None:
        return parent
    name = getattr(recipe, parent.field) or "none"
    if name in plugins.names("methods") and name not in bases(method):
        raise UserError(
            f"{method.name}: runs of {name} cannot be its base",
            "it is no fine-tuning, or itself",
            f"one of {', '.join(bases(method))}: {_cure(method)}",
        )
    if name not in bases(method):
        raise unknown("method", name, bases(method), "repro list methods")
    return parent.model_copy(update={"method": name})


def seeded(method: Method, parents: dict[str, Run]) -> bool:
    """Whether a run depends on its seed: a mixture, in which nothing is drawn, does as far as what it mixes does."""
    mixed = [parents[role] for role, parent in method.parents.items() if parent.field and role in parents]
    return method.seeded and (not mixed or any(plugins.declared(run.method).seeded for run in mixed))


def unit_features(run: Run) -> bool:
    """Whether a run's classifier is of CLIP's form, features scaled to length 1: made by a text tower, at the start or at every judging."""
    return run.recipe.head == "zero_shot" or plugins.declared(run.method).needs_text


def require_fit(method: Method, parents: dict[str, Run]) -> None:
    """The runs that a method mixes must agree on how features reach the head, and soups on how images are prepared; else `Unfit`."""
    roles = {role for role, parent in method.parents.items() if parent.field or parent.start_of}
    mixed = [run for role, run in parents.items() if role in roles or role.rpartition("-")[0] in roles]
    forms = {unit_features(run): run for run in mixed}
    if len(forms) > 1:
        plain = forms[False]
        head = f"--set {plain.method}.head=zero_shot, or " if "head" in plugins.declared(plain.method).fields else ""
        raise Unfit(
            f"{method.name} cannot mix {plain.method} and {forms[True].method}",
            f"{forms[True].method} scales features to length 1 before the head, {plain.method} as it is set does not",
            head + _cure(method),
        )
    parts = [run for role, run in parents.items() if role not in method.parents and role.rpartition("-")[0] in roles]
    for field in sorted(IMAGES) if parts else ():
        if len({getattr(run.recipe, field) for run in parts}) > 1:
            raise Unfit(
                f"{method.name} cannot mix runs of different {field}",
                "images could be prepared for the mixture in one way only",
                f"one value of {field}, or leave {method.name} out",
            )


def require_splits(method: Method, benchmark: Benchmark, recipe: Recipe) -> None:
    """The split that a recipe searches on must be there; else `Unfit`."""
    if "search_on" not in method.fields or not recipe.searched:
        return
    if not benchmark.searchable(recipe.search_on):
        name = method.name.removesuffix("-search")
        raise Unfit(
            f"{name} searches on {recipe.search_on}, and {benchmark.name} has no such split",
            f"its splits are {', '.join(split.name for split in benchmark.splits)}",
            f"--set {name}.search_on=id_val, which is another search",
        )


def searched_apart(method: Method, benchmark: Benchmark, recipe: Recipe) -> dict[str, str]:
    """The data set of its own that a search scores its trials on, and the hash of its content; none for all that is no search."""
    split = benchmark.searchable(recipe.search_on)[0] if searches(method) else None
    return {split.apart.name: split.apart.data} if split and split.apart else {}


def impossible_parent(method: Method, parent: Parent, why: str) -> Unfit:
    """The error for a method whose parent cannot run, for that reason."""
    return Unfit(f"{method.name} starts from {parent.method}, which cannot run", why, _cure(method))


def _cure(method: Method) -> str:
    """Another base, which goes with every backbone."""
    field = next((parent.field for parent in method.parents.values() if parent.field), None)
    return f"--set {method.name}.{field}=lp-ft" if field else "repro list methods"
