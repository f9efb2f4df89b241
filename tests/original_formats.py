"""Checkpoints as their authors wrote them, with random weights; and CLIP's architectures in small."""

from __future__ import annotations

import json
import re
import warnings
from argparse import Namespace
from pathlib import Path

import numpy as np
import open_clip
import timm
import torch
from torch import nn
from torchvision import models

State = dict[str, torch.Tensor]


def shake(module: nn.Module) -> nn.Module:
    """Weights, and BatchNorm statistics that are no longer 0 and 1, so that a tensor left out shows."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                tensor.add_(0.02 * torch.rand(tensor.shape, generator=generator)) if "running" not in name else tensor.add_(0.1)
    return module.eval()


def heads(width: int) -> State:
    """The projection head and prototypes that SwAV trains on features of that width."""
    head = nn.Sequential(nn.Linear(width, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
    named = {f"projection_head.{name}": value for name, value in head.state_dict().items()}
    return {**named, "prototypes.weight": torch.randn(6, 4)}


def parallel(state: State) -> State:
    """As DistributedDataParallel names it."""
    return {f"module.{name}": value for name, value in state.items()}


def moco(path: Path, extra: State | None = None) -> nn.Module:
    """facebookresearch/moco main_moco.py: {epoch, arch, state_dict, optimizer} of torch's first format; the query encoder without head."""
    full = shake(models.resnet50(num_classes=8))
    trunk = {name: value for name, value in full.state_dict().items() if not name.startswith("fc.")}
    head = nn.Sequential(nn.Linear(2048, 16), nn.ReLU(), nn.Linear(16, 8)).state_dict()
    query = {**trunk, **{f"fc.{name}": value for name, value in head.items()}}
    keys = {name: value + 1 for name, value in query.items()}
    state = {**{f"encoder_q.{k}": v for k, v in query.items()}, **{f"encoder_k.{k}": v for k, v in keys.items()}}
    state |= {"queue": torch.randn(8, 16), "queue_ptr": torch.zeros(1, dtype=torch.long)} | (extra or {})
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), 0.03, momentum=0.9).state_dict()
    content = {"epoch": 800, "arch": "resnet50", "state_dict": parallel(state), "optimizer": optimizer}
    torch.save(content, path, _use_new_zipfile_serialization=False)
    full.fc = nn.Identity()
    return full


def dino(path: Path) -> nn.Module:
    """facebookresearch/dino: a flat dict of the backbone alone, which timm names alike."""
    full = shake(timm.create_model("vit_base_patch16_224.dino", num_classes=0))
    torch.save(full.state_dict(), path)
    return full


def bit(path: Path, arch: str = "resnetv2_50x1_bit", without: str = "", **kwargs: object) -> nn.Module:
    """google-research/big_transfer: arrays by the paths of JAX, kernels as (height, width, in, out), the head of 21,843 classes left small."""
    full = shake(timm.create_model(arch, num_classes=0, **kwargs))
    arrays = {
        "resnet/head/conv2d/kernel": np.zeros((1, 1, full.num_features, 5), np.float32),
        "resnet/head/conv2d/bias": np.zeros(5, np.float32),
    }
    for name, tensor in full.state_dict().items():
        stage = re.sub(r"stages\.(\d)\.blocks\.(\d+)\.", lambda found: f"block{int(found[1]) + 1}/unit{int(found[2]) + 1:02}/", name)
        stage = re.sub(r"conv(\d)\.weight", lambda found: f"{'abc'[int(found[1]) - 1]}/standardized_conv2d/kernel", stage)
        stage = re.sub(r"norm(\d)\.", lambda found: f"{'abc'[int(found[1]) - 1]}/group_norm/", stage)
        stage = stage.replace("stem.conv.weight", "root_block/standardized_conv2d/kernel")
        stage = stage.replace("downsample.conv.weight", "a/proj/standardized_conv2d/kernel")
        stage = re.sub(r"^norm\.", "group_norm/", stage).replace("norm/weight", "norm/gamma").replace("norm/bias", "norm/beta")
        arrays[f"resnet/{stage}"] = tensor.permute(2, 3, 1, 0).numpy() if tensor.ndim == 4 else tensor.numpy()
    with open(path, "wb") as file:  # numpy adds .npz to other names
        np.savez(file, **{name: array for name, array in arrays.items() if name != without})
    return full


def swav(path: Path, extra: State | None = None) -> nn.Module:
    """facebookresearch/swav: a flat dict; its own network divides the padding of the first convolution."""
    full = shake(models.resnet50())
    full.fc = nn.Identity()
    torch.save(parallel({**full.state_dict(), **heads(2048), **(extra or {})}), path, _use_new_zipfile_serialization=False)
    theirs = nn.Conv2d(3, 64, 7, 2, padding=2, bias=False)
    theirs.weight = full.conv1.weight
    full.conv1 = nn.Sequential(nn.ConstantPad2d(1, 0.0), theirs)
    return full


def swav_of_wilds(path: Path, extra: State | None = None) -> nn.Module:
    """p-lambda/wilds examples/pretraining/swav/main_swav.py: ckp-<epoch>.pth, whose optimizer holds a learning rate made by numpy."""
    full = shake(models.densenet121())
    full.classifier = nn.Identity()
    state = {**{f"base_model.{name}": value for name, value in full.state_dict().items()}, **heads(1024), **(extra or {})}
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), 0.1).state_dict()
    optimizer["param_groups"][0]["lr"] = np.linspace(0, 0.3, 5)[2]
    arguments = Namespace(arch="densenet121", seed=np.int64(0), splits=["test_unlabeled"])
    torch.save({"epoch": 56, "state_dict": parallel(state), "optimizer": optimizer, "args": arguments}, path)
    return full


def torchvision(path: Path, extra: State | None = None) -> nn.Module:
    """download.pytorch.org's files: the flat state dict of the whole classifier."""
    full = shake(models.resnet50())
    torch.save({**full.state_dict(), **(extra or {})}, path)
    full.fc = nn.Identity()
    return full


def torchvision_densenet(path: Path, extra: State | None = None) -> nn.Module:
    """The same of DenseNet, whose file is older than the names of its layers: norm.1 for norm1."""
    full = shake(models.densenet121())
    old = {re.sub(r"(denselayer\d+\.(?:norm|relu|conv))([12])", r"\1.\2", name): value for name, value in full.state_dict().items()}
    torch.save({**old, **(extra or {})}, path)
    full.classifier = nn.Identity()
    return full


def small_clip(folder: Path, arch: str) -> None:
    """A configuration of open_clip by the name of a large one: patches, images, classes of layers and features are its own, the rest is small."""
    config = open_clip.get_model_config(arch)
    residual = isinstance(config["vision_cfg"]["layers"], list)
    config["vision_cfg"] |= {"layers": [1, 1, 1, 1], "width": 16} if residual else {"layers": 2, "width": 128}
    config["text_cfg"] |= {"width": 128, "heads": 2, "layers": 2}
    folder.mkdir(exist_ok=True)
    (folder / f"{arch}.json").write_text(json.dumps(config))


def clip(arch: str) -> nn.Module:
    """open_clip's network with the names of OpenAI's, most weights in half precision as OpenAI released them."""
    net = shake(open_clip.create_model(arch, force_custom_text=False))
    open_clip.model.convert_weights_to_fp16(net)
    return net


def clip_state(net: nn.Module, arch: str) -> State:
    """Its tensors with the three numbers that lie among them in OpenAI's files."""
    config = open_clip.get_model_config(arch)
    numbers = {"input_resolution": config["vision_cfg"]["image_size"], "context_length": 77, "vocab_size": config["text_cfg"]["vocab_size"]}
    return {**net.state_dict(), **{name: torch.tensor(number) for name, number in numbers.items()}}


class Tree(nn.Module):
    """Modules within modules that hold a state dict under its names, floating tensors as parameters."""

    def __init__(self, state: State):
        super().__init__()
        below: dict[str, State] = {}
        for name, value in state.items():
            first, dot, rest = name.partition(".")
            if dot:
                below.setdefault(first, {})[rest] = value
            elif value.is_floating_point():
                self.register_parameter(first, nn.Parameter(value))
            else:
                self.register_buffer(first, value)
        for name, inner in below.items():
            self.add_module(name, Tree(inner))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1


def torchscript(path: Path, state: State) -> None:
    """A TorchScript archive with those tensors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(Tree(state), torch.zeros(1), check_trace=False), str(path))
