"""One packed split, mapped from disk or in a device's memory: its images are gathered by index, whole or in part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch


@dataclass(frozen=True)
class Pack:
    """One packed split. `images`: uint8, (N, H, W, 3) where all sizes agree, else flat with `shapes` (N, 2) and `starts` (N,).

    `content` is a sha256 of all that the pack holds: packs that have it in common are the same images with the same labels.
    """

    images: torch.Tensor
    shapes: np.ndarray
    starts: np.ndarray
    labels: torch.Tensor
    captions: tuple[str, ...]
    caption_of: torch.Tensor | None
    groups: dict[str, np.ndarray]
    content: str

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def uniform(self) -> bool:
        return self.images.ndim == 4

    def only(self, rows: torch.Tensor) -> Pack:
        """The examples of `rows` (M,), in that order; `content` still names the whole pack."""
        picked = rows.numpy()
        return replace(
            self,
            images=self.images[rows] if self.uniform else self.images,
            shapes=self.shapes[picked],
            starts=self.starts[picked],
            labels=self.labels[rows],
            caption_of=None if self.caption_of is None else self.caption_of[rows],
            groups={name: values[picked] for name, values in self.groups.items()},
        )

    def on(self, device: torch.device) -> Pack:
        """With its images in that device's memory."""
        return replace(self, images=self.images.to(device))

    def sizes(self, index: torch.Tensor) -> torch.Tensor:
        """(B, 2): height and width of each image."""
        return torch.from_numpy(self.shapes[index.cpu().numpy()])

    def gather(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """uint8 images (B, H, W, 3), padded with zeros on the right and below where sizes differ, and their sizes (B, 2)."""
        sizes = self.sizes(index)
        if self.uniform:
            return self.images.index_select(0, index.to(self.images.device)), sizes
        return self._framed(index, torch.cat([torch.zeros_like(sizes), sizes], dim=1)), sizes

    def gather_boxes(self, index: torch.Tensor, boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Images that hold the `boxes` (B, 4) of (top, left, height, width), and where these lie in them.

        Of images of different sizes only the boxes themselves are read: of original frames they are often a small part.
        """
        if self.uniform:
            return self.gather(index)[0], boxes
        return self._framed(index, boxes.long()), torch.cat([torch.zeros_like(boxes[:, :2]), boxes[:, 2:]], dim=1)

    def crops(self, index: torch.Tensor, boxes: torch.Tensor) -> Iterator[torch.Tensor]:
        """The `boxes` (B, 4) of images, (1, 3, height, width) each, as views of the pack: nothing is read yet."""
        first = self.images.storage_offset()
        for example, (top, left, height, width) in zip(index.tolist(), boxes.long().tolist(), strict=True):
            h, w = self.shapes[example].tolist()
            start = first + (example * h * w * 3 if self.uniform else int(self.starts[example]))
            strides = (h * w * 3, 1, w * 3, 3)  # in one call: each costs more than the copy of a small image
            yield self.images.as_strided((1, 3, height, width), strides, start + (top * w + left) * 3)

    def _framed(self, index: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        if self.images.device.type != "cpu":
            return self.framed_together(index, boxes)
        batch = torch.zeros(len(index), *boxes[:, 2:].amax(dim=0).tolist(), 3, dtype=torch.uint8)
        for frame, crop in zip(batch, self.crops(index, boxes), strict=True):
            frame[: crop.shape[2], : crop.shape[3]] = crop[0].permute(1, 2, 0)
        return batch

    def framed_together(self, index: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        """The `boxes` (B, 4) of images of many sizes, padded with zeros to the largest, in one gather of pixels: for a device that holds them."""
        device, rows = self.images.device, index.cpu().numpy()
        height, width = boxes[:, 2:].long().amax(dim=0).tolist()
        first, stride = (torch.from_numpy(values).to(device)[:, None, None] for values in (self.starts[rows] // 3, self.shapes[rows, 1]))
        top, left, tall, wide = boxes.long().to(device)[:, :, None, None].unbind(dim=1)
        down, across = torch.arange(height, device=device)[None, :, None], torch.arange(width, device=device)[None, None, :]
        inside = (down < tall) & (across < wide)
        place = torch.where(inside, first + (top + down) * stride + left + across, 0)
        return self.images.view(-1, 3)[place] * inside[..., None]
