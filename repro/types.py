"""The frozen records that every part of the program speaks in, and the canonical form that names them.

A run is named by its content: `Run.key` is a hash of canonical JSON, so the same question always has the same name.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from repro.record import Record, digest
from repro.settings import Recipe

Choices = tuple[int | tuple[int, ...], ...]  # classes; those of a tuple count as one, of which the first stands for all
Role = Literal["pretrain", "train", "id_val", "ood_val", "id_test", "ood_test"]
SCHEMA = 2  # of result.json; raised when a reader of an older file would misread it


class Apart(Record):
    """A data set of its own that only the runs which search on a split need: its name, a hash of its content, and its folder, which is in no key."""

    name: str
    data: str
    root: str


class Split(Record):
    """One named set of examples. `column` places it in tables; a split without one is trained or selected on only."""

    name: str
    role: Role
    caption: str = ""
    column: Literal["ID", "OOD"] | None = None
    headline: bool = Field(default=True, description="False: shown beside the headline columns, never averaged or selected with them")
    metric: str | None = Field(default=None, description="headline metric of this split where it is not the benchmark's")
    count: int | None = Field(default=None, description="examples that must be found; None: whatever is there")
    targeted: str = Field(default="none", description="the targeted augmentation that this training split holds, copies beside originals")
    classes: Choices | None = Field(default=None, description="the classes that a prediction is chosen from; None: all")
    per_class: int | None = Field(default=None, description="examples that each class which has any must have; None: as it comes")
    optional: str | None = Field(
        default=None, description="file of the data set's manifest that its images come in, where that is optional"
    )
    content: str | None = Field(
        default=None,
        description="hash of what it is made of, which names its packs: they serve every choice of other splits; None: the benchmark's",
    )
    labelled: bool = Field(default=True, description="False: its images have no labels, or none that training may see")
    apart: Apart | None = Field(
        default=None, description="of a split that is there to be searched on alone: nothing is judged or chosen on it"
    )


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
    templates: tuple[str, ...] = Field(default=(), description="prompts as repro/reading/prompts.py fills them")
    kind: Literal["images", "light-curves"] = Field(default="images", description="what an example is")
    task: Literal["classification", "regression"] = Field(
        default="classification", description="regression: one number per example, of which the only class is the name"
    )
    metric: str = "accuracy"
    metrics: tuple[str, ...] = Field(default=(), description="computed beside the headline metric")
    groupings: tuple[Grouping, ...] = ()
    domain: str | None = Field(default=None, description="group of the examples that tells training's domains apart; None: it has one")
    data: str
    options: dict[str, Any] = {}
    roots: dict[str, str] = Field(default={}, description="data set → folder where its files are; not part of the key")
    needs: tuple[str, ...] = Field(
        default=(), description="names of dataset manifests; not part of the key, for `data` already is the content"
    )
    targeted: dict[str, tuple[str, ...]] = Field(
        default={}, description="its targeted augmentations → names of the manifests that each needs beside; not part of the key"
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

    @property
    def judged(self) -> tuple[Split, ...]:
        """Those that runs are evaluated on."""
        return tuple(split for split in self.splits if split.role not in ("train", "pretrain") and not split.apart)

    def split(self, name: str) -> Split:
        return next(split for split in self.splits if split.name == name)

    def trained_on(self, role: Role, targeted: str) -> tuple[Split, ...]:
        """The split of that role, at most one: that which holds a targeted augmentation, else the first."""
        splits = self.with_role(role)
        return tuple(split for split in splits if split.targeted == targeted)[:1] or splits[:1]

    def with_role(self, *roles: Role) -> tuple[Split, ...]:
        return tuple(split for split in self.splits if split.role in roles and not split.apart)

    def searchable(self, wanted: str) -> tuple[Split, ...]:
        """The splits of that name or role, on which a search may score its trials."""
        return tuple(split for split in self.splits if wanted in (split.name, split.role))

    @property
    def unlabelled(self) -> tuple[Split, ...]:
        return tuple(split for split in self.splits if not split.labelled)


class Parent(Record):
    """A run that another starts from: its method, and whether it shares the child's seed or is one run for all seeds."""

    method: str
    shared: bool = Field(False, description="True: seed 0 serves every child; False: child's own seed")
    field: str | None = Field(None, description="recipe field that names the method in its place")
    many: bool = Field(False, description="every setting and every seed at once, as roles <role>-000, <role>-001, …")
    images: bool = Field(False, description="the child prepares images as this run does")
    start_of: str | None = Field(None, description="what the run in that role started from: of its head's run, else of `method`")
    takes: dict[str, str] = Field(
        default={}, description="of a stage, whose recipe is the child's: its fields that another field of the child sets → that field"
    )
    when: dict[str, Any] = Field({}, description="settings of the child with which the role is there; none: always")
    settings: bool = Field(False, description="the run has the child's settings in every field that means something to it")


class Method(Record):
    """What a method's file declares; its functions `start`, `loss`, `judged`, `states`, `finish` or `search` are found by name beside it.

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
    targeted: bool = Field(False, description="is nothing without a targeted augmentation, which the benchmark must have")
    needs_text: bool = Field(False, description="needs a backbone with a text tower and a benchmark with prompts")
    needs_domains: bool = Field(False, description="needs a benchmark that trains on several domains")
    needs_unlabelled: bool = Field(False, description="needs a benchmark with images without labels")
    kinds: tuple[str, ...] = Field(default=("images",), description="of examples that it can be trained on")
    tasks: tuple[str, ...] = ("classification",)
    trains_on: Role = "train"
    variants: dict[str, dict[str, Any]] = Field(default={}, description="value of the field `variant` → the settings that it stands for")
    tiny: dict[str, Any] = Field(
        default={"epochs": 2, "batch_size": 16, "lr": 3e-3}, description="settings on a tiny subset, where its fields have them"
    )
    reported: bool = Field(True, description="False: a stage for other methods, not a row of tables")
    chosen_on: tuple[Role, ...] = Field(default=(), description="of a stage: roles of the splits by which its checkpoint is chosen")

    def judged_on(self, benchmark: Benchmark) -> list[str]:
        """Names of the splits that its runs are judged on: a row on all that are not trained on, a stage on those that choose."""
        return [split.name for split in (benchmark.judged if self.reported else benchmark.with_role(*self.chosen_on))]

    def trained_on(self, benchmark: Benchmark, recipe: Recipe) -> tuple[Split, ...]:
        """The splits whose images it trains on: the first of its role; all of them, or those without labels besides, where it takes such.

        Of those that a recipe may name (`unlabelled`), only the named ones.
        """
        own = benchmark.trained_on(self.trains_on, recipe.targeted)
        if "unlabelled" not in self.fields:
            return own
        pretrains = self.trains_on == "pretrain"
        chosen = benchmark.with_role("pretrain") if pretrains else benchmark.unlabelled
        chosen = tuple(split for split in chosen if recipe.unlabelled is None or split.name in recipe.unlabelled)
        return chosen if pretrains else (*own, *chosen)


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
    apart: dict[str, str] = Field(default={}, description="data set of its own that it searches on → hash of its content")

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the dataset manifests that it needs, those of its targeted augmentation and its search included."""
        if self.benchmark.tiny:
            return self.benchmark.needs
        return (*self.benchmark.needs, *self.benchmark.targeted.get(self.recipe.targeted, ()), *self.apart)

    def identity(self) -> dict[str, Any]:
        """What the key is the hash of."""
        return {
            "benchmark": self.benchmark.identity(),
            "method": {"name": self.method, "version": self.method_version},
            "recipe": self.recipe.changed(),
            "backbone": self.backbone.model_dump(mode="json", exclude_defaults=True),
            "seed": self.seed,
            "parents": self.parents,
            **({"apart": self.apart} if self.apart else {}),
        }

    @property
    def key(self) -> str:
        """20 hex digits (80 bits) of the identity's hash."""
        return digest(self.identity())[:20]

    @property
    def label(self) -> str:
        return f"{self.method} seed {self.seed}"


class Checkpoint(Record):
    """One state of a run that was evaluated. `metrics[split][metric]` are fractions in [0, 1], cross-entropies in nats, RMSEs in the label's unit."""

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
    details: dict[str, Any] = Field(default={}, description="what the error's line has no room for")
