"""The frozen records that every part of the program speaks in, and the canonical form that names them.

A run is named by its content: `Run.key` is a hash of canonical JSON, so the same question always has the same name.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Role = Literal["pretrain", "train", "id_val", "ood_val", "id_test", "ood_test"]
SCHEMA = 2  # of result.json; raised when a reader of an older file would misread it


class Record(BaseModel):
    """Immutable, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def canonical_json(value: Any) -> str:
    """One spelling per value: sorted keys, no spaces, floats as Python's shortest repr; NaN and infinities are refused."""

    def plain(item: Any) -> Any:
        if isinstance(item, BaseModel):
            item = item.model_dump(mode="json")
        if isinstance(item, dict):
            return {str(key): plain(val) for key, val in item.items()}
        if isinstance(item, (list, tuple)):
            return [plain(val) for val in item]
        if isinstance(item, float):
            if not math.isfinite(item):
                raise ValueError(f"{item} cannot be part of a key")
            return int(item) if item.is_integer() and abs(item) < 2**53 else item
        return item

    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """sha256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


class Split(Record):
    """One named set of examples. `column` places it in tables; a split without one is trained or selected on only."""

    name: str
    role: Role
    caption: str = ""
    column: Literal["ID", "OOD"] | None = None
    headline: bool = Field(default=True, description="False: shown beside the headline columns, never averaged or selected with them")
    metric: str | None = Field(default=None, description="headline metric of this split where it is not the benchmark's")
    count: int | None = Field(default=None, description="examples that must be found; None: whatever is there")
    classes: tuple[int, ...] | None = Field(default=None, description="the classes that a prediction is chosen from; None: all")
    per_class: int | None = Field(default=None, description="examples that each class which has any must have; None: as it comes")


class Grouping(Record):
    """A partition of examples by which metrics are also given. Group g of an example is `values[g]`.

    A metric `worst_<name>` is the lowest accuracy over the groups that have examples, but for those in `ignored`.
    """

    name: str
    values: tuple[str, ...]
    ignored: tuple[str, ...] = ()


class Benchmark(Record):
    """What is measured: the splits, the classes and the metric of one data set, as identified by the content of its data.

    `options` are what the user chose of it (for `folder`: the domains); `data` is a hash of the examples' bytes;
    `version` is raised when the program's own part in making the splits changes.
    """

    name: str
    version: int
    caption: str
    title: str = Field(description="as tables name it, e.g. 'folder pacs: photo → cartoon'")
    splits: tuple[Split, ...]
    classes: tuple[str, ...]
    templates: tuple[str, ...] = Field(default=(), description="prompts as repro/prompts.py fills them")
    metric: str = "accuracy"
    metrics: tuple[str, ...] = Field(default=(), description="computed beside the headline metric")
    groupings: tuple[Grouping, ...] = ()
    data: str
    options: dict[str, Any] = {}
    roots: dict[str, str] = Field(default={}, description="data set → folder where its files are; not part of the key")
    needs: tuple[str, ...] = Field(
        default=(), description="names of dataset manifests; not part of the key, for `data` already is the content"
    )
    backbone: str | None = Field(default=None, description="name of the default backbone; None: the user names one")
    pretrained_by: str | None = Field(default=None, description="method whose run provides the default backbone's weights")
    methods: tuple[str, ...] = Field(description="what `repro run` runs where no method is named")
    tiny: bool = False
    licence: str = ""
    citation: str = ""

    def identity(self) -> dict[str, Any]:
        """What a key says of a benchmark: content, never a path or a caption."""
        spoken = {"classes": self.classes, "templates": self.templates}  # zero-shot heads are made of these words
        return {"name": self.name, "version": self.version, "data": self.data, "options": self.options, "tiny": self.tiny, **spoken}

    @property
    def folder(self) -> str:
        """What its runs and packs are kept under: those of a tiny subset apart."""
        return f"{self.name}-tiny" if self.tiny else self.name

    def metric_of(self, split: Split) -> str:
        """The headline metric of a split."""
        return split.metric or self.metric

    def split(self, name: str) -> Split:
        return next(split for split in self.splits if split.name == name)

    def with_role(self, *roles: Role) -> tuple[Split, ...]:
        return tuple(split for split in self.splits if split.role in roles)


def _each_positive(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
    if values is not None and min(values) <= 0:
        raise ValueError("each number should be greater than 0")
    return values


def _each_a_decay(values: tuple[float, ...]) -> tuple[float, ...]:
    if not all(0 <= value < 1 for value in values):
        raise ValueError("each number should be at least 0 and less than 1")
    return values


def _share_range(values: tuple[float, float]) -> tuple[float, float]:
    if not 0 < values[0] <= values[1] <= 1:
        raise ValueError("the smaller share comes first, and both are above 0 and at most 1")
    return values


def _ascending(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(sorted(set(values)))


class Recipe(Record):
    """Every setting of a training or a probe. A field at the value written here is left out of keys, so these never change."""

    # optimisation
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = Field(1e-3, gt=0, description="peak learning rate")
    momentum: float = Field(0.9, ge=0, lt=1)
    nesterov: bool = False
    betas: Annotated[tuple[float, float], AfterValidator(_each_a_decay)] = (0.9, 0.999)
    eps: float = Field(1e-8, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    epochs: int = Field(0, ge=0)
    batch_size: int = Field(64, ge=1, description="examples per optimiser step")
    accumulate: int = Field(
        1, ge=1, description="micro-batches per optimiser step; the mathematics stays that of batch_size, but for BatchNorm's statistics"
    )
    drop_last: bool = False
    schedule: Literal["constant", "cosine_epoch", "cosine_step"] = Field(
        "cosine_epoch", description="cosine from lr to 0, changed once per epoch or per step"
    )
    warmup_steps: int = Field(0, ge=0, description="linear from lr/warmup_steps to lr, step s using (s+1)/warmup_steps")
    clip_norm: float | None = Field(None, gt=0, description="largest gradient norm")
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    head_lr_factor: float = Field(1.0, gt=0, description="learning rate of the head over that of the backbone")
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    batchnorm: Literal["train", "eval"] = Field("train", description="eval: running statistics are frozen, affine weights still train")
    freeze: Literal["none", "backbone", "embed", "all_but_batchnorm"] = Field(
        "none", description="parts that get no gradient; embed: the first layers, as repro/nn/freezing.py lists them"
    )
    head: Literal["random", "zero_shot"] = Field(
        "random", description="where the head starts; zero_shot: at the prompts', on unit features"
    )
    l2sp_weight: float = Field(0.0, ge=0, description="of the squared distance to where training started")
    l2sp_head: bool = Field(False, description="whether that distance includes the head's")
    # images
    augment: Literal["none", "flip", "shift", "shift_flip", "crop", "crop_flip", "rrc", "rrc_flip"] = Field(
        "none", description="of training images; crop: one of image_size, anywhere in the frame resized to image_size/crop_ratio"
    )
    rrc_scale: Annotated[tuple[float, float], AfterValidator(_share_range)] = Field(
        (0.08, 1.0), description="area range of the random resized crop"
    )
    shift: int = Field(4, ge=0, description="pixels of the shift augmentation")
    image_size: int | None = Field(None, ge=8, description="side in pixels; None: the backbone's own")
    resize: Literal["crop", "squash"] = Field(
        "crop", description="crop: short side to image_size/crop_ratio, centre crop; squash: both sides to image_size"
    )
    crop_ratio: float | None = Field(None, gt=0, le=1, description="None: the backbone's own")
    pack_side: int | None = Field(
        None,
        ge=0,
        description="short side in pixels to which training images are reduced in packs before a random resized crop; "
        "None: the evaluation resize's; 0: original frames",
    )
    mean: tuple[float, float, float] | None = Field(None, description="None: the backbone's own")
    std: Annotated[tuple[float, float, float] | None, AfterValidator(_each_positive)] = Field(None, description="None: the backbone's own")
    # linear probe
    lp_c_min: float = Field(1e-7, gt=0)
    lp_c_max: float = Field(1e2, gt=0)
    lp_c_count: int = Field(50, ge=1, description="values of C, spaced evenly in their logarithm, ascending; smallest wins ties")
    lp_features: Literal["eval", "train"] = Field(
        "eval", description="transform of the training features; train: one pass with augmentation"
    )
    lp_standardise: Literal["scalar", "feature", "none"] = Field("scalar", description="scalar: one mean and deviation over all entries")
    lp_solver: Literal["converged", "sklearn"] = Field(
        "converged", description="sklearn: lbfgs stopped at lp_max_iter, as the authors run it"
    )
    lp_max_iter: int = Field(200, ge=1)
    lp_absent_bias: float = Field(-1000.0, description="bias of the head's rows, otherwise zero, for classes without training images")
    # mixtures of finished runs
    base: str | None = Field(None, pattern="^[a-z0-9-]+$", description="method whose runs are mixed")
    mix_at: Literal["last", "id_val"] = Field("last", description="checkpoint of those runs that is mixed")
    alphas: Annotated[tuple[Annotated[float, Field(ge=0, le=1)], ...], Field(min_length=1), AfterValidator(_ascending)] = Field(
        (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0), description="shares of the fine-tuned model in WiSE-FT's mixtures"
    )
    # few-shot
    shots: int | None = Field(None, ge=1, description="images per class of train, and of ID validation, drawn by the run's seed; None: all")
    fixed_crops: bool = Field(False, description="augmentation is drawn once and is the same in every epoch")
    judge_start: bool = Field(False, description="evaluate before the first step, too, as epoch 0")
    # what is judged and kept
    judge_every: int = Field(1, ge=1, description="epochs between evaluations of all splits; the last epoch is always judged")
    judge: Literal["all", "selected"] = Field(
        "all", description="selected: epochs are judged on ID validation alone, the other splits once, at the checkpoint that it selects"
    )
    select_by: Literal["accuracy", "macro_f1", "macro_recall", "cross_entropy"] | None = Field(
        None, description="metric of ID validation by which it selects a checkpoint; None: its headline metric"
    )
    keep_weights: Literal["selected", "last", "none"] = Field("selected", description="checkpoints whose weights stay on disk")

    def changed(self) -> dict[str, Any]:
        """The fields that differ from their neutral value, JSON-ready."""
        return self.model_dump(mode="json", exclude_defaults=True)


TRAINING = frozenset(
    "optimizer lr momentum nesterov betas eps weight_decay epochs batch_size accumulate drop_last schedule warmup_steps clip_norm "
    "label_smoothing head_lr_factor precision batchnorm freeze augment rrc_scale shift judge_every keep_weights".split()
)
IMAGES = frozenset(["image_size", "resize", "crop_ratio", "pack_side", "mean", "std"])
AUGMENTATION = frozenset(["augment", "rrc_scale", "shift", "pack_side"])
MIXTURE = frozenset(["base", "mix_at", "alphas"])
HEAD = frozenset(["head"])
L2SP = frozenset(["l2sp_weight", "l2sp_head"])
FEW_SHOT = frozenset(["shots", "fixed_crops", "judge_start", "judge", "select_by"])
TOWERS = TRAINING - {"accumulate", "label_smoothing", "freeze", "head_lr_factor"}  # both towers together; contrastive batches do not split
PROBE = frozenset(["lp_c_min", "lp_c_max", "lp_c_count", "lp_features", "lp_standardise", "lp_solver", "lp_max_iter", "lp_absent_bias"])


class Parent(Record):
    """A run that another starts from: its method, and whether it shares the child's seed or is one run for all seeds."""

    method: str
    shared: bool = Field(False, description="True: seed 0 serves every child; False: child's own seed")
    field: str | None = Field(None, description="recipe field that names the method in its place")
    many: bool = Field(False, description="every setting and every seed at once, as roles <role>-000, <role>-001, …")
    images: bool = Field(False, description="the child prepares images as this run does")
    start_of: str | None = Field(None, description="what the run in that role started from: of its head's run, else of `method`")


class Method(Record):
    """What a method's file declares; its functions `start`, `loss`, `judged` and `finish` are found by name beside it.

    `fields` are the recipe fields that mean something to it; `parents` map a role ("head", "backbone") to the run that plays it.
    """

    name: str
    version: int
    caption: str = ""
    fields: frozenset[str]
    defaults: dict[str, Any] = {}
    parents: dict[str, Parent] = {}
    pretrained: bool = Field(True, description="starts from the backbone's pretrained weights")
    seeded: bool = Field(True, description="False: nothing in it is random, one run is all there is")
    needs_text: bool = Field(False, description="needs a backbone with a text tower and a benchmark with prompts")
    trains_on: Role = "train"
    tiny: dict[str, Any] = Field(
        default={"epochs": 2, "batch_size": 16, "lr": 3e-3}, description="settings on a tiny subset, where its fields have them"
    )
    reported: bool = Field(True, description="False: a stage for other methods, not a row of tables")


class BackboneRef(Record):
    """Which network: `name` as `repro list` spells it, keyword arguments, and the content hash of the weights file (None: none).

    `definition` is a hash of what our own files say of a named backbone, so that changing it makes another network of it.
    """

    name: str
    kwargs: dict[str, Any] = {}
    definition: str | None = None
    weights: str | None = None


class Run(Record):
    """One cell's worth of work. `provenance` says where each recipe field came from; neither it nor paths enter the key."""

    benchmark: Benchmark
    method: str
    method_version: int
    recipe: Recipe
    provenance: dict[str, str]
    backbone: BackboneRef
    seed: int
    parents: dict[str, str] = Field(default={}, description="role → key")

    def identity(self) -> dict[str, Any]:
        """What the key is the hash of."""
        return {
            "benchmark": self.benchmark.identity(),
            "method": {"name": self.method, "version": self.method_version},
            "recipe": self.recipe.changed(),
            "backbone": self.backbone.model_dump(mode="json", exclude_defaults=True),
            "seed": self.seed,
            "parents": self.parents,
        }

    @property
    def key(self) -> str:
        """20 hex digits (80 bits) of the identity's hash."""
        return digest(self.identity())[:20]

    @property
    def label(self) -> str:
        return f"{self.method} seed {self.seed}"


class Checkpoint(Record):
    """One state of a run that was evaluated. `metrics[split][metric]` are fractions in [0, 1], cross-entropies in nats."""

    name: str
    epoch: int | None = None
    step: int | None = None
    train: dict[str, float] = {}
    metrics: dict[str, dict[str, float]]
    seconds: float = 0.0


class Result(Record):
    """`result.json`: everything that a finished run leaves behind. Written last, by rename."""

    schema_version: int = SCHEMA
    key: str
    run: Run
    checkpoints: tuple[Checkpoint, ...]
    kept: dict[str, tuple[str, ...]] = Field(description="'predictions' and 'weights' → names of the checkpoints that have them")
    files: dict[str, str] = Field(description="file → sha256")
    extras: dict[str, Any] = {}
    environment: dict[str, Any]
    seconds: dict[str, float]
    images_per_second: float | None = None
    peak_memory_bytes: int | None = None
    finished: str = Field(description="UTC, ISO 8601")

    def checkpoint(self, name: str) -> Checkpoint:
        return next(point for point in self.checkpoints if point.name == name)


class Failure(Record):
    """`failed.json`: a run that broke. Shown and retried, never used as a result."""

    key: str
    run: Run
    error: str
    trace: str
    environment: dict[str, Any]
    failed: str = Field(description="UTC, ISO 8601")
