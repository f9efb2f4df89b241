"""The baselines: plain code in the style of the papers' repositories – PIL, a DataLoader, fp32, one step after another."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def photographs(folder: Path, count: int, sizes: Sequence[tuple[int, int]] = ((375, 500),), seed: int = 0) -> list[Path]:
    """JPEG files (quality 90, about 100 kB at ImageNet's 375 × 500) of the `sizes` in turn: shapes of many sizes under fine grain."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    paths = []
    for number in range(count):
        height, width = sizes[number % len(sizes)]
        field = np.zeros((height, width, 3))
        for cells in (4, 16, 64):
            coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
            field += np.asarray(coarse.resize((width, height), Image.BICUBIC), float) / 3
        paths.append(folder / f"{number}.jpg")
        Image.fromarray((field + rng.normal(0, 8, field.shape)).clip(0, 255).astype(np.uint8)).save(paths[-1], quality=90)
    return paths


class Files(Dataset):
    """Image files and labels, opened anew each time that one is asked for."""

    def __init__(self, paths: list[Path], labels: np.ndarray, transform):
        self.paths, self.labels, self.transform = paths, labels, transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int):
        return self.transform(Image.open(self.paths[index]).convert("RGB")), int(self.labels[index])


def train_transform(size: int):
    return transforms.Compose(
        [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip(), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    )


def eval_transform(size: int):
    larger = round(size / 0.875)
    return transforms.Compose(
        [transforms.Resize(larger), transforms.CenterCrop(size), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    )


def loader(paths: list[Path], labels: np.ndarray, transform, batch_size: int, workers: int, pinned: bool = False, stay: bool = False):
    """`stay`: the workers stay from one pass to the next, for passes so short that their start would count for more than it does in an epoch."""
    files = Files(paths, labels, transform)
    return DataLoader(files, batch_size, shuffle=True, num_workers=workers, pin_memory=pinned, persistent_workers=stay)


@contextlib.contextmanager
def as_torch_comes() -> Iterator[None]:
    """The baseline's flags: no deterministic algorithms, convolutions in TF32 and the fastest of them looked for; ours come back afterwards."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    kept = cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32, torch.are_deterministic_algorithms_enabled()
    cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = False, True, True, False
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32, algorithms = kept
        torch.use_deterministic_algorithms(algorithms, warn_only=True)


def train(model: nn.Module, batches: DataLoader, epochs: int, device: torch.device, lr: float = 1e-3) -> None:
    """SGD with momentum in fp32; the loss is looked at after every step."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    for _ in range(epochs):
        model.train()
        for images, labels in batches:
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            loss.item()


@torch.no_grad()
def evaluate(model: nn.Module, batches: DataLoader, device: torch.device) -> float:
    model.eval()
    right = total = 0
    for images, labels in batches:
        right += int((model(images.to(device)).argmax(1).cpu() == labels).sum())
        total += len(labels)
    return right / total
