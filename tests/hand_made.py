"""Published data sets in small, laid out by hand from their descriptions: an oracle that shares no code with what writes tiny subsets."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
from PIL import Image

CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STL = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")


def noise(count: int, side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (count, side, side, 3) and labels that hold each of ten classes equally often, in no order."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, side, side, 3), np.uint8), rng.permutation(np.arange(count) % 10)


def python2_text(text: str) -> bytes:
    """A Python 2 string as cPickle writes it: one byte of length, up to 255 characters."""
    return b"U" + bytes([len(text)]) + text.encode() if len(text) < 256 else b"T" + struct.pack("<i", len(text)) + text.encode()


def python2_array(rows: np.ndarray) -> bytes:
    """A uint8 matrix as cPickle and numpy 1 wrote it, opcode by opcode, with memo numbers."""
    first = b"cnumpy.core.multiarray\n_reconstruct\nq\x10cnumpy\nndarray\nq\x11K\x00\x85U\x01b\x87Rq\x12"
    shape = b"M" + struct.pack("<H", rows.shape[0]) + b"M" + struct.pack("<H", rows.shape[1]) + b"\x86"
    kind = b"cnumpy\ndtype\nq\x13U\x02u1K\x00K\x01\x87Rq\x14(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    return first + b"(K\x01" + shape + kind + b"\x89T" + struct.pack("<i", rows.size) + rows.tobytes() + b"tb"


def python2_batch(title: str, rows: np.ndarray, labels: list[int]) -> bytes:
    """A batch of CIFAR-10 as cPickle's protocol 2 has it."""
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    names = b"](" + b"".join(python2_text(f"{CIFAR[label % 10]}_{index}.png") for index, label in enumerate(labels)) + b"e"
    entries = (("batch_label", python2_text(title)), ("labels", numbers), ("data", python2_array(rows)), ("filenames", names))
    return b"\x80\x02}q\x01(" + b"".join(python2_text(key) + value for key, value in entries) + b"u."


def cifar10(root: Path, per_batch: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Five training batches and one of testing; returns part → what is in it."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    names = b"](" + b"".join(map(python2_text, CIFAR)) + b"e"
    (folder / "batches.meta").write_bytes(
        b"\x80\x02}q\x01(" + python2_text("num_cases_per_batch") + b"M\x10'" + python2_text("label_names") + names + b"u."
    )
    parts = {"train": noise(5 * per_batch, 32, 1), "test": noise(per_batch, 32, 2)}
    for number in range(5):
        mine = slice(number * per_batch, (number + 1) * per_batch)
        _cifar_batch(folder / f"data_batch_{number + 1}", *(array[mine] for array in parts["train"]))
    _cifar_batch(folder / "test_batch", *parts["test"])
    return parts


def _cifar_batch(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Each row: 1,024 red values row by row, then green, then blue."""
    rows = np.stack([np.concatenate([image[:, :, plane].ravel() for plane in range(3)]) for image in images])
    path.write_bytes(python2_batch(f"batch of {len(labels)}", rows, labels.tolist()))


def cifar10_1(root: Path, counts: dict[str, int]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    root.mkdir(parents=True)
    parts = {part: noise(count, 32, count) for part, count in counts.items()}
    for part, (images, labels) in parts.items():
        np.save(root / f"cifar10.1_{part}_data.npy", images)
        np.save(root / f"cifar10.1_{part}_labels.npy", labels.astype("int32"))
    return parts


CORRUPTED = "gaussian_noise shot_noise impulse_noise defocus_blur glass_blur motion_blur zoom_blur snow frost fog brightness contrast"
CORRUPTED += " elastic_transform pixelate jpeg_compression speckle_noise gaussian_blur spatter saturate"


def cifar10_c(root: Path, each: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """`each` images at five severities; returns corruption → its array, and the labels of all."""
    folder = root / "CIFAR-10-C"
    folder.mkdir(parents=True)
    labels = np.tile(noise(each, 32, 0)[1], 5).astype("uint8")
    arrays = {name: noise(5 * each, 32, 50 + seed)[0] for seed, name in enumerate(CORRUPTED.split())}
    for name, array in (arrays | {"labels": labels}).items():
        np.save(folder / f"{name}.npy", array)
    return arrays, labels


def cifar10_2(root: Path, counts: dict[str, int]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    root.mkdir(parents=True)
    parts = {part: noise(count, 32, count + 1) for part, count in counts.items()}
    for part, (images, labels) in parts.items():
        about = {"label_names": list(CIFAR), "ti_indices": np.zeros(len(labels), np.int64), "keywords": [CIFAR[label] for label in labels]}
        np.savez(root / f"cifar102_{part}.npz", images=images, labels=labels, **about)
    return parts


def stl10(root: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The test files: each image its three planes, each plane column after column; labels from 1."""
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    images, labels = noise(count, 96, 5)
    with open(folder / "test_X.bin", "wb") as file:
        for image in images:
            for plane in range(3):
                for column in range(96):
                    file.write(image[:, column, plane].tobytes())
    (folder / "test_y.bin").write_bytes(bytes(int(label) + 1 for label in labels))
    (folder / "class_names.txt").write_text("\n".join(STL) + "\n")
    return images, labels


def imagenet(root: Path, train: list[str], val: list[str], per_train: int = 100, per_val: int = 50) -> None:
    """Empty files under ImageNet's names: what only counts and names paths does not look into them."""
    number = 0
    for wnid in train:
        (root / "train" / wnid).mkdir(parents=True)
        for image in range(per_train):
            (root / "train" / wnid / f"{wnid}_{image * 7}.JPEG").touch()
    for wnid in val:
        (root / "val" / wnid).mkdir(parents=True)
        for _ in range(per_val):
            number += 1
            (root / "val" / wnid / f"ILSVRC2012_val_{number:08}.JPEG").touch()


def patchcamelyon(root: Path, counts: dict[str, int]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Two HDF5 files per part, in compressed chunks; returns part → what is in them."""
    import h5py

    root.mkdir(parents=True)
    parts = {part: noise(count, 96, count) for part, count in counts.items()}
    parts = {part: (images, labels % 2) for part, (images, labels) in parts.items()}
    for part, (images, labels) in parts.items():
        with h5py.File(root / f"camelyonpatch_level_2_split_{part}_x.h5", "w") as file:
            file.create_dataset("x", data=images, chunks=(4, 96, 96, 3), compression="gzip", compression_opts=1)
        with h5py.File(root / f"camelyonpatch_level_2_split_{part}_y.h5", "w") as file:
            file.create_dataset("y", data=labels[:, None, None, None].astype("uint8"))
    return parts


def rendered_sst2(root: Path, counts: dict[str, tuple[int, int]]) -> None:
    """Part → negative and positive images, whose names are in no order."""
    from PIL import Image

    rng = np.random.default_rng(3)
    for part, numbers in counts.items():
        for name, count in zip(("negative", "positive"), numbers, strict=True):
            folder = root / "rendered-sst2" / part / name
            folder.mkdir(parents=True)
            for number in rng.permutation(count).tolist():
                Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8)).save(folder / f"{number:04}.png")


# SENTRY's lists: `<path> <label>`, not in the order of labels.
DOMAINNET = {
    "sketch_train": ["truck/sketch_326_000002.jpg 35", "airplane/sketch_002_000001.jpg 0", "donut/sketch_100_000003.png 39"],
    "sketch_test": ["sheep/sketch_263_000001.jpg 37", "clock/sketch_071_000009.jpg 20"],
    "real_train": ["fork/real_130_000004.jpg 27"],
    "real_test": ["bed/real_024_000001.jpg 7"],
    "painting_train": ["bee/painting_025_000004.jpg 8"],
    "painting_test": ["bear/painting_023_000001.jpg 6", "bear/painting_023_000002.jpg 6"],
    "clipart_train": ["cow/clipart_080_000004.jpg 21"],
    "clipart_test": ["table/clipart_304_000001.jpg 33"],
}


def domainnet(root: Path) -> Path:
    """Files that are no images under DomainNet's names, and the lists, which have Windows' ends of lines."""
    for name, lines in DOMAINNET.items():
        domain = name.partition("_")[0]
        path = root / "SENTRY_splits" / f"{name}_mini.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(f"{domain}/{line}\r\n".encode() for line in lines))
        for line in lines:
            image = root / domain / line.split()[0]
            image.parent.mkdir(parents=True, exist_ok=True)
            image.write_text(line)
    return root


# Test sets made after ImageNet: their folder and what their files end in.
SHIFTED = {
    "imagenetv2": ("imagenetv2-matched-frequency-format-val", ".jpeg"),
    "imagenet-r": ("imagenet-r", ".jpg"),
    "imagenet-a": ("imagenet-a", ".jpg"),
    "imagenet-sketch": ("sketch", ".JPEG"),
}


def imagenet_shifted(root: Path, name: str, counts: dict[int, int]) -> Path:
    """`counts`: label → files of its folder, which hold their own names. Only V2 has the label for the folder's name, the others the wnid."""
    classes = json.loads((Path(__file__).parent.parent / "data_manifests/imagenet_classes.json").read_text())["wnids"]
    folder, suffix = SHIFTED[name]
    for label, count in counts.items():
        where = root / folder / (str(label) if name == "imagenetv2" else classes[label])
        where.mkdir(parents=True)
        for number in range(count):
            (where / f"{number:08}{suffix}").write_text(f"{label} {number}")
    return root / folder


OBJECTS = {  # folder → what its object is called, and ImageNet's labels of it
    "alarm_clock": ("Alarm clock", (409, 530)),
    "chair": ("Chair", (423, 559, 765)),
    "banana": ("Banana", (954,)),
    "t-shirt": ("T-shirt", (610,)),
}


def objectnet(root: Path, counts: dict[str, int], side: int = 20) -> dict[str, np.ndarray]:
    """PNG files with a red border of 2 pixels, `counts`: folder → files, and mappings as published, in which two classes have one name.

    Returns file → the image within the border. Folders that are not among `OBJECTS` are of no ImageNet class.
    """
    lines = np.random.default_rng(0).permutation(1000).tolist()  # line → label
    names = {label: "crane" if label in (134, 517) else f"class {label}, thing {label}" for label in range(1000)}
    files = {
        "folder_to_objectnet_label.json": {folder: OBJECTS[folder][0] if folder in OBJECTS else folder.title() for folder in counts},
        "objectnet_to_imagenet_1k.json": {
            OBJECTS[folder][0]: "; ".join(names[label] for label in OBJECTS[folder][1]) for folder in counts if folder in OBJECTS
        },
        "pytorch_to_imagenet_2012_id.json": {str(label): line for line, label in enumerate(lines)},
    }
    (root / "objectnet-1.0/mappings").mkdir(parents=True)
    for name, content in files.items():
        (root / "objectnet-1.0/mappings" / name).write_text(json.dumps(content))
    (root / "objectnet-1.0/mappings/imagenet_to_label_2012_v2").write_text("".join(f"{names[label]}\n" for label in lines))
    inner = {}
    for folder, count in counts.items():
        (root / "objectnet-1.0/images" / folder).mkdir(parents=True)
        for number, image in enumerate(noise(count, side, len(inner))[0]):
            framed = np.full((side + 4, side + 4, 3), (255, 0, 0), np.uint8)
            framed[2:-2, 2:-2] = image
            path = root / "objectnet-1.0/images" / folder / f"{number:015x}.png"
            Image.fromarray(framed).save(path)
            inner[f"{folder}/{path.name}"] = image
    return inner


def imagenet_c(root: Path, wnids: list[str], corruptions: tuple[str, ...], each: int = 50) -> None:
    """Empty files: the same photographs of each class under each corruption, at severities 5 and 1."""
    for corruption in corruptions:
        for severity in ("5", "1"):
            for position, wnid in enumerate(wnids):
                folder = root / "ImageNet-C" / corruption / severity / wnid
                folder.mkdir(parents=True)
                for number in range(each):
                    (folder / f"ILSVRC2012_val_{position * each + number + 1:08}.JPEG").touch()
