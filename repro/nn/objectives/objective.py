"""AutoFT's objective: a weighted sum of nine losses, the same in the trials of its search and in the training that follows.

Of logits z (B, K), labels y and parameters θ (n numbers in all), θ0 being where training started:
ce, mean cross-entropy; dcm, mean of H(softmax z)·1[argmax z ≠ y]; entropy, mean of H(softmax z); flyp, CLIP's symmetric loss of images and
captions of their classes; hinge, mean of Σ_{j≠y} max(0, z_j − z_y + 1); l1zero, l2zero, l1init, l2init: Σ|θ|, Σθ², Σ|θ − θ0|, Σ(θ − θ0)²,
each divided by n. Source: Choi et al. 2024; cchoi1/auto-ft@594e6a2 autoft/src/losses/learnedloss.py:22-69.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from repro import backbones, plugins
from repro.errors import UserError
from repro.nn.allocator import sent
from repro.nn.job import Batch, Job
from repro.nn.networks.model import Classifier
from repro.nn.objectives.coupled import Coupled
from repro.nn.objectives.losses import contrastive, embedded


def start(job: Job) -> Classifier:
    """Both pretrained towers, or the image tower alone, with the recipe's head; prompts are tokenised once, where there are any."""
    model = job.classifier(towers=True)
    job.tokens = job.prompts(model.backbone, _names(job)) if has_text(job) else None
    return model


def _names(job: Job) -> tuple[str, ...]:
    """What captions call the classes; none: as the benchmark does."""
    if job.recipe.captions == "english":
        return ()
    module = plugins.benchmark(job.benchmark.name)
    if not hasattr(module, "scientific_names"):
        raise UserError(
            f"{job.run.method}: captions=scientific", f"{job.benchmark.name} has no other names of its classes", "leave captions out"
        )
    return module.scientific_names()


def has_text(job: Job) -> bool:
    """Whether there are captions to train on: a text tower, and prompts."""
    return backbones.find(job.run.backbone.name).text and bool(job.benchmark.templates)


def terms_of(job: Job) -> tuple[str, ...]:
    """The terms of the objective by alphabet: those of the recipe, flyp only where there are captions."""
    return tuple(name for name in job.recipe.losses if name != "flyp" or has_text(job))


def install(job: Job, found: dict[str, Any] | None) -> None:
    """Put into the job the settings that a search found; None: the recipe's own."""
    if found is None:
        weights = {name: getattr(job.recipe, f"weight_{name}") for name in terms_of(job)}
        job.objective = {name: weight for name, weight in weights.items() if weight}
        if not job.objective:
            raise UserError(
                f"{job.run.method}: an objective of no terms",
                "searched=false takes the weights of the recipe",
                "for example --set weight_ce=1",
            )
        return
    job.objective, job.draw = found["weights"], int(found["seed"])
    job.tuned = {"weight_decay": found["weight_decay"]}
    if job.recipe.final_lr == "searched":
        job.tuned["lr"] = found["lr"]
    job.extras["objective"] = {**job.objective, **job.tuned, "seed": job.draw}


def origin_of(model: nn.Module, live: bool = False) -> dict[str, torch.Tensor]:
    """Parameters by name, copied. `live`: not copied, so that they follow training and every distance to them is 0.

    So it is in the authors' final training (autoft.py:233-234, learnedloss.py:12: `detach` of parameters that are on the GPU already).
    """
    return {name: parameter.detach() if live else parameter.detach().clone() for name, parameter in model.named_parameters()}


def pairs(batch: Batch, job: Job) -> torch.Tensor | None:
    """The tokens (B, L) of a caption of each image's class, one template per image drawn at random; None where no term wants them."""
    if "flyp" not in job.objective:
        return None
    templates = torch.randint(job.tokens.shape[1], (len(batch.labels),))
    return job.tokens[batch.labels, sent(templates, job.device)]


def encode(model: Classifier, images: torch.Tensor, pairs: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
    """Features (B, dim), as the head sees them, of images; with captions also the unit rows of both."""
    features = model.features(images)
    return (features,) if pairs is None else (features, *embedded(model.backbone, features, pairs))


def couple(model: Classifier, rows: tuple[torch.Tensor, ...], batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """The sum of the terms of `job.objective`, each times its weight there, and every term by itself."""
    names, (features, *contrasted) = job.objective, rows
    found = of_logits(model.head(features), batch.labels)
    if contrasted:
        found["flyp"] = contrastive(model.backbone, *contrasted)
    if any(name.startswith(("l1", "l2")) for name in names):
        found |= of_parameters(model, job.origin)
    terms = {name: found[name] for name in names}
    total = torch.stack([weight * terms[name] for name, weight in names.items()]).sum() / job.recipe.loss_divisor
    return {"loss": total, **terms}


LOSS = Coupled(pairs, encode, couple)


def of_logits(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
    """ce, dcm, entropy and hinge of logits (B, K) and labels (B,)."""
    log_p = F.log_softmax(logits, dim=1)
    entropy = -(log_p.exp() * log_p).sum(dim=1)
    wrong = (logits.argmax(dim=1) != labels).to(entropy.dtype)
    margins = F.relu(logits - logits.gather(1, labels[:, None]) + 1)
    return {
        "ce": F.nll_loss(log_p, labels),
        "dcm": (entropy * wrong).mean(),
        "entropy": entropy.mean(),
        "hinge": margins.sum(dim=1).mean() - 1,  # of the label itself the margin is always 1
    }


def of_parameters(model: nn.Module, origin: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The four means over all parameters, of their size and of their distance to `origin`."""
    named = dict(model.named_parameters())
    values, moves = list(named.values()), [value - origin[name] for name, value in named.items()]
    count = sum(value.numel() for value in values)
    return {
        "l1init": torch.stack([move.abs().sum() for move in moves]).sum() / count,
        "l1zero": torch.stack([value.abs().sum() for value in values]).sum() / count,
        "l2init": torch.stack([move.square().sum() for move in moves]).sum() / count,
        "l2zero": torch.stack([value.square().sum() for value in values]).sum() / count,
    }
