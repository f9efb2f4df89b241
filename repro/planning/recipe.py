"""Recipe = method's default ← table row ← --set, each field remembering where it came from; a list of values for one field is a sweep."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from operator import gt
from typing import Annotated, Any, NamedTuple, get_args

from pydantic import ConfigDict, TypeAdapter, ValidationError

from repro.errors import UserError, nearest
from repro.papers.rows import Layer
from repro.papers.search import Together
from repro.settings import AUGMENTATION, GENERIC, IMAGES, OF_AUGMENT, TARGETED, Recipe
from repro.types import Method

# What a paper's row says of full-size data. A tiny subset has a few small images: no resolution to reduce to, no batch too large for memory,
# no thousands of steps, and too few images without labels to leave any out.
OF_FULL_SIZE = frozenset(["image_size", "warmup_steps", "accumulate", "unlabelled", "steps", "probe_steps"])


class Setting(NamedTuple):
    """One `--set [METHOD.]FIELD=VALUE`: `values` has more than one entry where it is a sweep."""

    method: str | None
    field: str
    values: tuple[Any, ...]
    text: str


class Choice(NamedTuple):
    """One resolved recipe of a sweep, with the provenance of each field that a reader is shown."""

    recipe: Recipe
    provenance: dict[str, str]


def _adapter(field: str) -> TypeAdapter:
    info = Recipe.model_fields[field]
    kind = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    return TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False))  # neither can be part of a key


def _takes_commas(field: str) -> bool:
    return "tuple" in str(Recipe.model_fields[field].annotation)


def _takes_none(field: str) -> bool:
    return type(None) in get_args(Recipe.model_fields[field].annotation)


def _read(field: str, text: str, origin: str) -> Any:
    """One value of a field from its spelling; `none` is None where the field can be None, else a word like any other (`augment=none`)."""
    raw: Any = text.strip()
    if raw.lower() in ("none", "null") and _takes_none(field):
        raw = None
    elif _takes_commas(field):
        raw = [part.strip() for part in raw.split(",")]
    return check(field, raw, origin)


def check(field: str, value: Any, origin: str) -> Any:
    """`value` as the field's type, or a `UserError` that says what it takes."""
    try:
        return _adapter(field).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        why = (
            "it takes another number of values, separated by commas"
            if first["type"] in ("missing", "too_long")
            else first["msg"].removeprefix("Value error, ")
        )
        description = Recipe.model_fields[field].description
        raise UserError(
            f"{origin}: {value!r} is not a value of {field}",
            why + (f" ({description})" if description else ""),
            f"for example --set {field}={_example(field)}",
        ) from None


def _example(field: str) -> str:
    default = Recipe.model_fields[field].default
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default).lower() if default is None else str(default)


def parse_set(text: str, methods: list[str]) -> Setting:
    """Read one `--set`. Commas separate the values of a sweep, or the parts of a pair such as betas."""
    name, equals, value = text.partition("=")
    scope, dot, field = name.strip().rpartition(".")
    if not equals or not field or not value.strip():
        raise UserError(
            f"--set {text}: not of the form key=value",
            "a setting names a recipe field and its value",
            "for example --set lr=1e-3 or --set ft.lr=1e-3,3e-3",
        )
    if dot and scope not in methods:
        near = nearest(scope, methods)
        raise UserError(
            f"--set {text}: there is no method {scope!r}",
            f"did you mean {near!r}?" if near else f"known: {', '.join(methods)}",
            "repro list methods",
        )
    if field not in Recipe.model_fields:
        near = nearest(field, Recipe.model_fields)
        raise UserError(
            f"--set {text}: a recipe has no field {field!r}",
            f"did you mean {near!r}?" if near else "the fields are listed by the command below",
            "repro list fields",
        )
    texts = [value] if _takes_commas(field) else value.split(",")
    values = tuple(_read(field, part, f"--set {text}") for part in texts)
    return Setting(scope or None, field, tuple(dict.fromkeys(values)), text)


def _layer(method: Method, layers: dict[str, list[tuple[Any, ...] | str]], field: str, values: tuple[Any, ...], origin: str) -> None:
    if field not in method.fields:
        raise UserError(
            f"{origin}: {field} means nothing to {method.name}",
            f"{method.name} uses {', '.join(sorted(method.fields))}",
            f"leave it out, or name a method that uses it: --set METHOD.{field}=…",
        )
    layers[field] = [values, origin]


def _agree(method: Method, recipe: Recipe) -> None:
    """Fields that are right each by itself and wrong together."""
    if recipe.head == "probe" and "head" not in method.parents:
        raise UserError(
            f"{method.name}: head=probe, and it starts from no linear probe", "lp-ft is fine-tuning from the probe's head", "--method lp-ft"
        )
    if recipe.lp_c_min > recipe.lp_c_max:
        raise UserError(
            f"{method.name}: lp_c_min {recipe.lp_c_min:g} is above lp_c_max {recipe.lp_c_max:g}",
            "C ascends from the one to the other",
            "for example --set lp_c_min=1e-7 --set lp_c_max=1e2",
        )
    groups, size = recipe.groups_per_batch or 1, recipe.batch_size
    if groups > 1 and (size % groups or size < 2 * groups):
        raise UserError(
            f"{method.name}: a batch of {size} is not of {groups} domains",
            "each has the same number of examples in it, at least two",
            f"for example --set batch_size={max(size // groups, 2) * groups}",
        )
    kinds = {name: len(getattr(recipe, name)) for name in ("crops", "crop_min", "crop_max", "crop_sides") if getattr(recipe, name)}
    if len(set(kinds.values())) > 1 or sum(recipe.crops) < 2 or any(map(gt, recipe.crop_min, recipe.crop_max)):
        raise UserError(
            f"{method.name}: {', '.join(f'{name} for {count} kinds' for name, count in kinds.items())} of views",
            "each kind has a number of views, a side, and a range of areas from crop_min to crop_max; two views at least",
            "for example --set crops=2,6 --set crop_min=0.14,0.05 --set crop_max=1,0.14",
        )
    if recipe.init != "own" and recipe.head == "zero_shot":
        raise UserError(
            f"{method.name}: no zero-shot head with init={recipe.init}",
            "its text tower would be of no pretraining",
            f"--set {method.name}.head=random",
        )
    if recipe.nesterov and recipe.optimizer == "sgd" and recipe.momentum == 0:
        raise UserError(
            f"{method.name}: nesterov without momentum", "Nesterov's step is a step of the momentum", "for example --set momentum=0.9"
        )


def resolve(method: Method, row: Layer, settings: list[Setting], asked: bool, tiny: bool = False) -> list[Choice]:
    """All recipes of one method in a plan: more than one where a row or a setting lists several values for a field.

    On a tiny subset the method's own few settings for it stand unless a setting says otherwise. An unscoped setting reaches the methods that
    were asked for, and where it says how images are prepared, the runs that they start from, too; one scoped to a method reaches it
    wherever it stands.
    """
    layers: dict[str, list] = {}
    for field, value in method.defaults.items():
        _layer(method, layers, field, (value,), f"method {method.name}")
    for field, (value, origin) in row.items():
        if field not in Recipe.model_fields:
            near = nearest(field, Recipe.model_fields)
            raise UserError(
                f"{origin}: a recipe has no field {field!r}",
                f"did you mean {near!r}?" if near else "unknown field",
                f"edit {origin.split(':')[0]}",
            )
        swept = isinstance(value, Together) or (isinstance(value, list) and not _takes_commas(field))
        values = tuple(check(field, item, origin) for item in (value if swept else [value]))
        _layer(method, layers, field, Together(values) if isinstance(value, Together) else values, origin)
    if tiny:
        kept = {field: layer for field, layer in layers.items() if field not in OF_FULL_SIZE}
        layers = {field: [values[:1] if isinstance(values, Together) else values, origin] for field, (values, origin) in kept.items()}
        layers |= {field: [(value,), "--tiny"] for field, value in method.tiny.items() if field in method.fields}
    for setting in settings:
        unscoped = setting.method is None and setting.field in method.fields and (asked or setting.field in IMAGES)
        if setting.method == method.name or unscoped:
            _layer(method, layers, setting.field, setting.values, f"--set {setting.text}")
    explicit = {setting.field for setting in settings if setting.method == method.name or (setting.method is None and asked)}
    choices = []
    for whole in _of_variants(method, layers, explicit):
        choices += _choices(method, whole)
    return choices


def _of_variants(method: Method, layers: dict[str, list], explicit: set[str]) -> Iterator[dict[str, list]]:
    """The layers once for each value of `variant`, with what it stands for, but for what the user set, or the row that names the variant."""
    for variant in layers.get("variant", [(None,), ""])[0]:
        stands_for = method.variants.get(variant, {}).items()
        chosen = {"variant": [(variant,), layers["variant"][1]]} if variant else {}
        beside = {field for field, (_, origin) in layers.items() if variant and origin == layers["variant"][1]}
        yield layers | chosen | {field: [(value,), f"variant {variant}"] for field, value in stands_for if field not in explicit | beside}


def _choices(method: Method, layers: dict[str, list]) -> list[Choice]:
    """Every combination of the layers' values."""
    choices = []
    for fields in _combinations({field: values for field, (values, _) in layers.items()}):
        recipe = Recipe.model_validate(fields)
        _agree(method, recipe)
        if "lp_features" in method.fields and recipe.lp_features == "eval":  # then nothing is augmented, and the key must not say so
            recipe = recipe.model_copy(update={field: Recipe.model_fields[field].default for field in AUGMENTATION})
        if recipe.steps is not None:  # then there is no number of epochs, and the key must not say so
            recipe = recipe.model_copy(update={"epochs": 0})
        if not recipe.augment.startswith("rrc"):  # then packs are those of the evaluation, and the key must not say otherwise
            recipe = recipe.model_copy(update={"pack_side": None})
        idle = {field: Recipe.model_fields[field].default for field in _idle(recipe)}
        recipe = recipe.model_copy(update=idle)
        choices.append(Choice(recipe, {field: layers[field][1] for field in recipe.told() if field in layers}))
    return choices


def _combinations(layers: dict[str, tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Every recipe of a sweep: the values of fields that were drawn together side by side, all others multiplied out."""
    joint = {field: values for field, values in layers.items() if isinstance(values, Together)}
    alone = {field: values for field, values in layers.items() if field not in joint}
    drawn = [dict(zip(joint, values, strict=True)) for values in zip(*joint.values(), strict=True)] if joint else [{}]
    return [dict(zip(alone, values, strict=True)) | one for values in itertools.product(*alone.values()) for one in drawn]


def _idle(recipe: Recipe) -> set[str]:
    """The fields of augmentations that mean nothing beside the recipe's own, so that the key must not speak of them."""
    means = {"none": set(), "stain": {"targeted_p", "stain_sigma"}, "copy-paste": {"targeted_p", "seen_in"}, "paste-digits": {"targeted_p"}}
    means["redshift"] = set()  # its copies were made before
    return (TARGETED - {"targeted"} - means[recipe.targeted]) | (GENERIC - OF_AUGMENT.get(recipe.augment, frozenset()))


def unused(settings: list[Setting], methods: list[Method]) -> UserError | None:
    """An unscoped setting that none of the asked methods uses is a mistake, not a no-op."""
    for setting in settings:
        if setting.method is None and not any(setting.field in method.fields for method in methods):
            names = ", ".join(method.name for method in methods)
            return UserError(
                f"--set {setting.text}: no method of this run uses {setting.field}", f"the run is of {names}", "repro list fields"
            )
    return None
