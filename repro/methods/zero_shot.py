"""Zero-shot: classify by the nearest class prompt of an image–text model; nothing is trained.

argmax_k cos(g(x), t_k) with t_k the normalised mean of class k's normalised prompt embeddings (Radford et al. 2021, §3.1.4;
mlfoundations/wise-ft@58b7a4b src/models/zeroshot.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import IMAGES
from repro.types import Method

if TYPE_CHECKING:
    from repro.nn.job import Job
    from repro.nn.networks.model import Classifier

METHOD = Method(name="zero-shot", version=1, fields=IMAGES, seeded=False, needs_text=True)


def start(job: Job) -> Classifier:
    """The image tower with a head made from the text tower; the head's scale exp(logit_scale) is in its weights, the bias is 0."""
    from repro.nn.networks.model import zero_shot_classifier

    net = job.backbone()
    return zero_shot_classifier(net, job.prompts(net)).freeze_backbone()
