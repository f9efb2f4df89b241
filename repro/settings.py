"""Every setting of a training, a probe or a mixture, and which of them belong together."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from repro.record import Record


def _each_positive(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
    if values is not None and min(values, default=0) <= 0:
        raise ValueError("each number should be greater than 0")
    return values


def _each_a_decay(values: tuple[float, ...]) -> tuple[float, ...]:
    if not all(0 <= value < 1 for value in values):
        raise ValueError("each number should be at least 0 and less than 1")
    return values


def _each_a_share(values: tuple[float, ...]) -> tuple[float, ...]:
    if not values or not all(0 < value <= 1 for value in values):
        raise ValueError("each number should be above 0 and at most 1")
    return values


def _share_range(values: tuple[float, float]) -> tuple[float, float]:
    if not 0 < values[0] <= values[1] <= 1:
        raise ValueError("the smaller share comes first, and both are above 0 and at most 1")
    return values


def _each_named(values: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if values is not None and not all(re.fullmatch(r"[\w.-]+", value) for value in values):
        raise ValueError("names of splits, separated by commas")
    return values


def _ascending(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(sorted(set(values)))


ASKED = ("optimizer", "lr", "weight_decay", "batch_size", "schedule")  # of every training
LOSSES = ("ce", "dcm", "entropy", "flyp", "hinge", "l1init", "l1zero", "l2init", "l2zero")


class Recipe(Record):
    """Every setting of a training or a probe. A field at the value written here is left out of keys, so these never change."""

    # optimisation
    optimizer: Literal["sgd", "adamw", "larc"] = Field(
        "sgd", description="larc: SGD with a rate per tensor, as repro/nn/training/optim.py says"
    )
    lr: float = Field(1e-3, gt=0, description="peak learning rate")
    momentum: float = Field(0.9, ge=0, lt=1)
    nesterov: bool = False
    betas: Annotated[tuple[float, float], AfterValidator(_each_a_decay)] = (0.9, 0.999)
    eps: float = Field(1e-8, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    epochs: int = Field(0, ge=0)
    steps: int | None = Field(None, ge=1, description="optimiser steps in all, in place of epochs, the last pass cut short; None: epochs")
    batch_size: int = Field(64, ge=1, description="examples per optimiser step")
    accumulate: int = Field(
        1, ge=1, description="micro-batches per optimiser step; the mathematics stays that of batch_size, but for BatchNorm's statistics"
    )
    drop_last: bool = False
    schedule: Literal["constant", "cosine_epoch", "cosine_step", "exponential_epoch", "linear"] = Field(
        "cosine_epoch",
        description="cosine from lr to lr·lr_end, changed once per epoch or per step; exponential_epoch: lr·lr_gammaᵉ in epoch e; "
        "linear: straight to 0, per step",
    )
    lr_end: float = Field(0.0, ge=0, le=1, description="share of lr at which a cosine ends")
    lr_gamma: float = Field(1.0, gt=0, le=1, description="factor on the learning rate after each epoch of exponential_epoch")
    warmup_steps: int = Field(0, ge=0, description="linear from lr/warmup_steps to lr, step s using (s+1)/warmup_steps")
    clip_norm: float | None = Field(None, gt=0, description="largest gradient norm")
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    head_lr_factor: float = Field(1.0, gt=0, description="learning rate of the head over that of the backbone")
    precision: Literal["fp32", "tf32", "bf16", "fp16"] = Field(
        "fp32",
        description="of products in training: tf32 (and evaluation; on GPUs that have it) rounds their factors, bf16 and fp16 are autocast",
    )
    batchnorm: Literal["train", "eval", "adapt"] = Field(
        "train", description="eval: running statistics are frozen, affine weights still train; adapt: as train, even in a frozen backbone"
    )
    class_weights: Literal["none", "frequency"] = Field(
        "none", description="of the cross-entropy; frequency: each class's share of the training examples"
    )
    head_dropout: float = Field(0.0, ge=0, lt=1, description="of the features before the head")
    freeze: Literal["none", "backbone", "embed", "all_but_batchnorm"] = Field(
        "none", description="parts that get no gradient; embed: the first layers, as repro/nn/training/freezing.py lists them"
    )
    head: Literal["random", "zero_shot", "probe"] = Field(
        "random", description="where the head starts; zero_shot: at the prompts', on unit features; probe (autoft): at the linear probe's"
    )
    l2sp_weight: float = Field(0.0, ge=0, description="of the squared distance to where training started")
    l2sp_head: bool = Field(False, description="whether that distance includes the head's")
    mask_share: float = Field(
        0.6, gt=0, lt=1, description="observations that a masked autoencoder must restore: of ten, eight zeroed, one noise, one as it is"
    )
    # images
    augment: Literal["none", "flip", "shift", "shift_flip", "crop", "crop_flip", "rrc", "rrc_flip", "randaugment", "mixup", "cutmix"] = (
        Field(
            "none",
            description="of training images; crop: one of image_size, anywhere in the frame resized to image_size/crop_ratio; "
            "mixup and cutmix: of batches, with their labels",
        )
    )
    rrc_scale: Annotated[tuple[float, float], AfterValidator(_share_range)] = Field(
        (0.08, 1.0), description="area range of the random resized crop"
    )
    rrc_interpolation: Literal["bilinear", "bicubic"] | None = Field(None, description="of random resized crops; None: as interpolation")
    shift: int = Field(4, ge=0, description="pixels of the shift augmentation")
    augment_p: float = Field(
        1.0,
        ge=0,
        le=1,
        description="share of images that randaugment reaches, of batches that mixup or cutmix reaches, drawn anew each time",
    )
    randaugment_n: int = Field(2, ge=1, description="operations of RandAugment, one after another, then a flip of half of the images")
    mix_alpha: float = Field(1.0, gt=0, description="of mixup and cutmix: a batch's share λ ~ Beta(α, α)")
    cutmix_box: Literal["centred", "as_released"] = Field(
        "centred", description="as_released: as in the code of Targeted Augmentations, whose box begins where its width ends"
    )
    image_size: int | None = Field(None, ge=8, description="side in pixels; None: the backbone's own")
    resize: Literal["crop", "squash"] = Field(
        "crop", description="crop: short side to image_size/crop_ratio, centre crop; squash: both sides to image_size"
    )
    crop_ratio: float | None = Field(None, gt=0, le=1, description="None: the backbone's own")
    interpolation: Literal["bilinear", "bicubic"] | None = Field(None, description="None: the backbone's own")
    pack_side: int | None = Field(
        None,
        ge=0,
        description="short side in pixels to which training images are reduced in packs before a random resized crop; "
        "None: the evaluation resize's; 0: original frames",
    )
    mean: tuple[float, float, float] | None = Field(None, description="None: the backbone's own")
    std: Annotated[tuple[float, float, float] | None, AfterValidator(_each_positive)] = Field(None, description="None: the backbone's own")
    # targeted augmentation
    targeted: Literal["none", "copy-paste", "stain", "paste-digits", "redshift"] = Field(
        "none",
        description="of training examples: what the benchmark has for its own shift (repro/nn/inputs/targeted.py; redshift: in its files)",
    )
    targeted_p: float = Field(
        1.0, ge=0, le=1, description="share of images that the targeted augmentation reaches, drawn anew in every epoch"
    )
    stain_sigma: float = Field(0.05, ge=0, lt=1, description="strength of the stain colour jitter")
    seen_in: Literal["train", "all"] = Field(
        "train", description="splits whose labels tell copy-paste at which cameras a class was seen; all: as released, test included"
    )
    # linear probe by gradient descent that fine-tuning starts from
    probe_lr: float = Field(1e-3, gt=0)
    probe_epochs: int = Field(10, ge=1)
    probe_steps: int | None = Field(None, ge=1, description="in the place of probe_epochs")
    probe_batchnorm: Literal["eval", "adapt"] = Field("eval", description="adapt: running statistics adapt while the head is trained")
    start_at: Literal["id_val", "ood_val", "last"] = Field("id_val", description="checkpoint of the probe from which fine-tuning starts")
    # where the backbone starts
    init: str = Field(
        "own",
        pattern="^[a-z0-9-]+$",
        description="weights that the backbone starts from; own: its file's, or those that the benchmark's own stage makes; random; "
        "or the method that pretrains it in a run of its own, such as swav-pretrain",
    )
    unlabelled: Annotated[tuple[str, ...] | None, AfterValidator(_each_named)] = Field(
        None, description="splits whose images are used without labels; None: all that the benchmark has for it"
    )
    # several domains
    groups_per_batch: int | None = Field(
        None, ge=2, description="domains in a batch, drawn uniformly, with as many examples of each; None: domains play no part"
    )
    penalty_weight: float = Field(1.0, ge=0, description="of CORAL's, DANN's or IRM's penalty")
    penalty_schedule: Literal["constant", "sigmoid"] = Field(
        "constant", description="sigmoid: the weight grows from 0 as 2/(1+exp(−10p))−1, p being the share of steps done"
    )
    anneal_steps: int = Field(0, ge=0, description="steps with IRM's penalty weighted 1, after which the optimiser starts afresh")
    discriminator_lr: float | None = Field(None, gt=0, description="learning rate of DANN's discriminator; None: the backbone's")
    # pretraining by SwAV
    crops: Annotated[tuple[int, ...], AfterValidator(_each_positive)] = Field(
        (2, 6), description="views of an image, so many of each kind; two at least in all"
    )
    crop_sides: Annotated[tuple[int, ...] | None, AfterValidator(_each_positive)] = Field(
        None, description="side in pixels of each kind of view; None: the network's for all"
    )
    crop_min: Annotated[tuple[float, ...], AfterValidator(_each_a_share)] = Field(
        (0.14, 0.05), description="smallest share of the area, of each kind"
    )
    crop_max: Annotated[tuple[float, ...], AfterValidator(_each_a_share)] = Field(
        (1.0, 0.14), description="largest share of the area, of each kind"
    )
    prototypes: int = Field(3000, ge=2)
    projection: Annotated[tuple[int, int], AfterValidator(_each_positive)] = Field(
        (2048, 128), description="widths of the head that is thrown away: hidden, output"
    )
    sinkhorn_epsilon: float = Field(0.05, gt=0, description="entropy of the assignments")
    sinkhorn_iterations: int = Field(3, ge=1)
    temperature: float = Field(0.1, gt=0, description="of the predicted assignments")
    frozen_prototype_steps: int = Field(313, ge=0, description="first steps in which prototypes get no gradient")
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
    # a learned objective
    variant: Literal["as_intended", "as_released", "as_2023"] = Field(
        "as_intended", description="sets the switches below as the text has it, as the release, or as the code at the time of the paper"
    )
    losses: Annotated[tuple[Literal[LOSSES], ...], Field(min_length=1), AfterValidator(_ascending)] = Field(
        LOSSES, description="terms of the objective; flyp is left out where there is no text tower or no prompt"
    )
    captions: Literal["english", "scientific"] = Field(
        "english", description="names of animals in the captions of the contrastive loss; the zero-shot head has the English ones"
    )
    searched: bool = Field(True, description="False: the objective is that of the weights below, lr and weight_decay are this recipe's")
    weight_ce: float = Field(0.0, ge=0)
    weight_dcm: float = Field(0.0, ge=0, description="of the entropy of wrong predictions")
    weight_entropy: float = Field(0.0, ge=0)
    weight_flyp: float = Field(0.0, ge=0, description="of the contrastive loss of images and captions")
    weight_hinge: float = Field(0.0, ge=0)
    weight_l1init: float = Field(0.0, ge=0, description="of the mean distance of a parameter to where training started")
    weight_l1zero: float = Field(0.0, ge=0, description="of the mean magnitude of a parameter")
    weight_l2init: float = Field(0.0, ge=0, description="of the mean squared distance to where training started")
    weight_l2zero: float = Field(0.0, ge=0, description="of the mean square of a parameter")
    trials: int = Field(100, ge=1, description="settings that a search tries; more of them continue the search of fewer")
    inner_steps: int = Field(10, ge=1, description="optimiser steps of a trial")
    search_on: str = Field("ood_val", pattern="^[A-Za-z0-9._-]+$", description="role or name of the split on which trials are scored")
    search_examples: int | None = Field(1000, ge=1, description="examples of that split that are used; None: all")
    search_by: Literal["accuracy", "macro_f1", "macro_recall", "cross_entropy"] | None = Field(
        None, description="metric of that split which trials are scored by; None: its headline metric"
    )
    search_balanced: bool = Field(True, description="those examples are as many of each class; False: drawn uniformly")
    search_shared: bool = Field(False, description="every seed has the examples of seed 0")
    search_augmented: bool = Field(False, description="those examples are augmented as training images are")
    search_lr_factor: float = Field(100.0, gt=1, description="learning rates are tried from lr over this to lr times this")
    search_decay: float = Field(1.0, ge=0, description="the largest weight decay that is tried")
    search_seeds: int = Field(11, ge=1, description="seeds of order and augmentation that are tried, from 0 on")
    fixed_loss: Literal["ce", "flyp"] = Field("ce", description="the term whose weight is 1")
    fixed_drawn: bool = Field(False, description="its weight is drawn and not used in trials, and used in the final training")
    trial_lr: Literal["searched", "warm_up"] = Field(
        "searched", description="of trials: the one tried, constant; warm_up: lr along the final training's schedule"
    )
    trial_head: Literal["trained", "rebuilt"] = Field("trained", description="rebuilt: trials are judged with the text tower's new head")
    final_lr: Literal["searched", "recipe"] = Field("searched", description="of the final training; recipe: lr")
    anchor: Literal["start", "live"] = Field(
        "start", description="what the distances of the final training are to; live: to the parameters themselves, so that they are 0"
    )
    order: Literal["epochs", "independent"] = Field("epochs", description="independent: every batch is drawn from the whole training split")
    clip_each: bool = Field(False, description="the gradient is clipped after every micro-batch, too")
    loss_divisor: float = Field(1.0, gt=0, description="the objective is divided by it")
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

    @property
    def trains(self) -> bool:
        """Whether there is a step to take."""
        return bool(self.steps or self.epochs)

    def changed(self) -> dict[str, Any]:
        """The fields that differ from their neutral value, JSON-ready."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def told(self) -> dict[str, Any]:
        """The fields that a reader is shown, JSON-ready: those that differ, and of a training what everybody asks of it, neutral or not."""
        changed, whole = self.changed(), self.model_dump(mode="json", include=set(ASKED) if self.trains else set())
        return {field: changed.get(field, whole.get(field)) for field in type(self).model_fields if field in changed or field in whole}


TRAINING = frozenset(
    "optimizer lr momentum nesterov betas eps weight_decay epochs steps batch_size accumulate drop_last schedule lr_end lr_gamma warmup_steps "
    "clip_norm label_smoothing class_weights head_dropout head_lr_factor precision batchnorm freeze augment rrc_scale rrc_interpolation shift judge_every "
    "keep_weights".split()
)
INIT = frozenset(["init"])
UNLABELLED = frozenset(["unlabelled"])
DOMAINS = frozenset(["groups_per_batch", "penalty_weight", "penalty_schedule", "anneal_steps", "discriminator_lr"])
BY_DOMAIN = (TRAINING - {"accumulate", "drop_last"}) | (DOMAINS - {"anneal_steps", "discriminator_lr"})  # a batch is one of whole groups
SWAV = frozenset(
    "crops crop_sides crop_min crop_max prototypes projection sinkhorn_epsilon sinkhorn_iterations temperature frozen_prototype_steps".split()
)
HEAD_ONLY = frozenset(["label_smoothing", "class_weights", "head_dropout", "head_lr_factor", "freeze"])
MASKED = frozenset(["mask_share"])
CROPS = frozenset(["augment", "rrc_scale", "rrc_interpolation", "shift"])
IMAGES = frozenset(["image_size", "resize", "crop_ratio", "interpolation", "pack_side", "mean", "std"])
OF_AUGMENT = {  # what means something beside an augmentation that not every method has
    "randaugment": frozenset(["augment_p", "randaugment_n"]),
    "mixup": frozenset(["augment_p", "mix_alpha"]),
    "cutmix": frozenset(["augment_p", "mix_alpha", "cutmix_box"]),
}
GENERIC = frozenset().union(*OF_AUGMENT.values())
AUGMENTATION = CROPS | GENERIC | {"pack_side"}
MIXTURE = frozenset(["base", "mix_at", "alphas"])
HEAD = frozenset(["head"])
TARGETED = frozenset(["targeted", "targeted_p", "stain_sigma", "seen_in"])
STAGED = frozenset(["probe_lr", "probe_epochs", "probe_steps", "probe_batchnorm", "start_at"])
OBJECTIVE = frozenset(
    [
        "variant",
        "losses",
        "captions",
        "searched",
        "final_lr",
        "anchor",
        "order",
        "clip_each",
        "loss_divisor",
        *(f"weight_{name}" for name in LOSSES),
    ]
)
SEARCH = frozenset(
    "trials inner_steps search_on search_examples search_by search_balanced search_shared search_augmented search_lr_factor search_decay "
    "search_seeds fixed_loss fixed_drawn trial_lr trial_head".split()
)
L2SP = frozenset(["l2sp_weight", "l2sp_head"])
FEW_SHOT = frozenset(["shots", "fixed_crops", "judge_start", "judge", "select_by"])
TOWERS = TRAINING - HEAD_ONLY - {"accumulate"}  # both towers together; contrastive batches do not split
PROBE = frozenset(["lp_c_min", "lp_c_max", "lp_c_count", "lp_features", "lp_standardise", "lp_solver", "lp_max_iter", "lp_absent_bias"])
