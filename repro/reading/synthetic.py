"""Synthetic images whose class and domain can be learned: what tiny subsets are made of.

A class is a hue, an orientation and a frequency of stripes in the middle of the frame; a domain is the light, the ground and the noise
around it. Nothing measured on them says anything of real images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.reading.prompts import fill

if TYPE_CHECKING:
    import numpy as np

    from repro.reading.examples import Examples
    from repro.types import Benchmark

DOMAINS = 4  # seen in pretraining
SIDE = 40
MOST = 400  # images for pretraining
GOLDEN = 0.61803398875


def paint(kind: int, domain: int, size: tuple[int, int], *seed: int) -> np.ndarray:
    """One image of class `kind` in `domain`: uint8 (H, W, 3) with size (H, W). The same arguments give the same image."""
    import colorsys

    import numpy as np

    rng = np.random.default_rng([kind, domain, *size, *seed])
    height, width = size
    across, down = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    angle = np.pi * (kind * 0.381966 % 1) + rng.normal(0, 0.08)
    stripes = np.sin(np.pi * (2 + kind % 5) * (across * np.cos(angle) + down * np.sin(angle)) + rng.uniform(0, 2 * np.pi))
    colour = np.array(colorsys.hsv_to_rgb(kind * GOLDEN % 1, 0.85, 1.0))
    ground = np.array(colorsys.hsv_to_rgb(domain * 0.29 % 1, 0.35, 0.45 + 0.1 * (domain % 4)))
    light = 0.85 + 0.15 * across * rng.uniform(-1, 1) + 0.15 * down * rng.uniform(-1, 1)
    centre = rng.uniform(-0.2, 0.2, 2)
    inside = ((across - centre[0]) ** 2 + (down - centre[1]) ** 2 < rng.uniform(0.45, 0.8))[..., None]
    figure = colour * (0.65 + 0.35 * stripes[..., None])
    image = np.where(inside, figure, ground) * light[..., None] * (1 - 0.06 * (domain % 5))
    noise = rng.normal(0, 0.03 + 0.015 * (domain % 4), (height, width, 1))
    return np.clip((image + noise) * 255, 0, 255).astype(np.uint8)


def paint_in_turn(count: int, classes: int, domain: int, side: int, *seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` images of one domain, the classes in turn: uint8 (count, side, side, 3) and their labels, int64 (count,)."""
    import numpy as np

    labels = np.arange(count) % classes
    return np.stack([paint(int(label), domain, (side, side), *seed, row) for row, label in enumerate(labels)]), labels


def pretraining(benchmark: Benchmark) -> Examples:
    """Images of every class in several domains with the benchmark's own prompts as captions, none of them an image of its splits."""
    import numpy as np

    from repro.reading.examples import Examples

    classes, templates = benchmark.classes, (benchmark.templates or ("a photo of a {}.",))[:2]
    each = max(1, min(DOMAINS * 5, MOST // len(classes)))
    labels = np.repeat(np.arange(len(classes)), each)
    sources = [paint(int(label), number % DOMAINS, (SIDE, SIDE), 7, number) for number, label in enumerate(labels)]
    captions = tuple(fill(template, name) for template in templates for name in classes)
    caption_of = np.stack([labels + len(classes) * template for template in range(len(templates))], axis=1)
    return Examples(sources, labels, captions, caption_of)
