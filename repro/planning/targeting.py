"""Whether a recipe's targeted augmentation can be had on a benchmark, and beside its other settings, told before anything is run."""

from __future__ import annotations

from repro.errors import UserError
from repro.settings import Recipe
from repro.types import Benchmark, Method


def require(method: Method, recipe: Recipe, benchmark: Benchmark) -> None:
    """A `UserError` where the benchmark has no such augmentation, or where masks would not lie where the image's figure is."""
    if recipe.targeted == "none":
        return
    if recipe.targeted not in benchmark.targeted:
        own = ", ".join(benchmark.targeted) or "none"
        raise UserError(
            f"{method.name}: {benchmark.name} has no targeted augmentation {recipe.targeted!r}",
            f"it has {own}",
            f"--set {method.name}.targeted={next(iter(benchmark.targeted), 'none')}",
        )
    if recipe.targeted == "copy-paste" and (recipe.resize != "squash" or recipe.augment.startswith(("crop", "rrc"))):
        raise UserError(
            f"{method.name}: copy-paste with resize={recipe.resize}, augment={recipe.augment}",
            "masks are made for whole images, and these are cropped",
            f"--set {method.name}.resize=squash --set {method.name}.augment=none",
        )
