"""Zero-shot: classify by the nearest class prompt of an image–text model; nothing is trained.

argmax_k cos(g(x), t_k) with t_k the normalised mean of class k's normalised prompt embeddings (Radford et al. 2021, §3.1.4;
mlfoundations/wise-ft@58b7a4b src/models/zeroshot.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.types import IMAGES, Method

if TYPE_CHECKING:
    from repro.nn.job import Job
    from repro.nn.model import Classifier

METHOD = Method(name="zero-shot", version=1, fields=IMAGES, seeded=False, needs_text=True)


def start(job: Job) -> Classifier:
    """The image tower with a head made from the text tower; the head's scale exp(logit_scale) is in its weights, the bias is 0."""
    import torch

    from repro.nn.model import Classifier, zero_shot_head

    net = job.backbone()
    weight = zero_shot_head(net, job.benchmark.classes, job.benchmark.templates)
    model = Classifier(net.drop_text(), len(weight), normalize=True).to(job.device).freeze_backbone()
    model.set_head(weight, torch.zeros(len(weight), device=job.device))
    return model
