"""Small archives, good and evil, for the tests."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
from pathlib import Path

FOLDERS, PER_FOLDER = 8, 60


def tree(seed: int = 0) -> dict[str, bytes]:
    """A dataset in small: `FOLDERS` × `PER_FOLDER` files in two top-level folders, one of them empty, one file at the top."""
    draw = random.Random(seed)
    files = {
        f"{'train' if folder % 2 else 'val'}/{folder:02d}/{number:04d}.jpg": draw.randbytes(draw.randint(1, 3000))
        for folder in range(FOLDERS)
        for number in range(PER_FOLDER)
    }
    return files | {"labels.csv": b"a,b\n", "train/empty": b""}


def write_tar(path: Path, files: dict[str, bytes], mode: str = "w", layout: int = tarfile.GNU_FORMAT) -> Path:
    with tarfile.open(path, mode, format=layout) as tar:
        for name, content in files.items():
            add(tar, name, content)
    return path


def add(tar: tarfile.TarFile, name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, target: str = "") -> None:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(content), kind, target
    tar.addfile(info, io.BytesIO(content))


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in files.items():
            bundle.writestr(name, content)
    return path


def write_gz(path: Path, content: bytes) -> Path:
    with gzip.open(path, "wb") as handle:
        handle.write(content)
    return path


def read_tree(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, hidden ones too."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
