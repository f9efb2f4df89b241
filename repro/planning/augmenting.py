"""Whether a recipe's generic augmentation can be had with a method, on a benchmark, and beside its other settings, told before anything is run."""

from __future__ import annotations

from repro.errors import UserError
from repro.settings import OF_AUGMENT, Recipe
from repro.types import Benchmark, Method


def require(method: Method, recipe: Recipe, benchmark: Benchmark) -> None:
    """A `UserError` where the method has no such augmentation, there are no classes to mix, or a targeted one would act, too."""
    wanted, plain = recipe.augment, f"--set {method.name}.augment=none"
    if wanted not in OF_AUGMENT:
        return
    if not OF_AUGMENT[wanted] <= method.fields:
        raise UserError(f"{method.name}: augment={wanted}", "it is an augmentation of erm's", f"--method erm --set erm.augment={wanted}")
    if wanted != "randaugment" and benchmark.task != "classification":
        raise UserError(f"{method.name}: augment={wanted} on {benchmark.name}", f"it mixes classes, and there is {benchmark.task}", plain)
    if recipe.targeted != "none":
        raise UserError(
            f"{method.name}: augment={wanted} with targeted={recipe.targeted}",
            "the authors compare them; what both together would be, nothing defines",
            f"{plain}, or --set {method.name}.targeted=none",
        )
