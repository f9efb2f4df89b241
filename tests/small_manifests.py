"""A dataset, a dataset by hand and a checkpoint family in small, served by a local server; and `ensure` in a process of its own."""

from __future__ import annotations

import hashlib
from pathlib import Path

from archives import tree, write_gz, write_tar, write_zip
from children import _prepare

TREE = tree(3)
IMAGES = sum(name.startswith("train/") and name.endswith(".jpg") for name in TREE)
NOTES = b"one\ntwo\nthree\n"
WEIGHTS = {"small.pt": bytes(range(256)) * 400, "large.pt": bytes(range(255)) * 800}

PHOTOS = """\
name = "photos"
kind = "dataset"
title = "Photos"
caption = "a few photographs"
licence = "CC0"
layout = {{ required = ["inner/photos/train", "inner/photos/val", "notes.txt"], patterns = ["inner/photos/train/*/*.jpg"] }}

[[files]]
name = "photos.zip"
mirrors = [{{ url = "{server}/photos.zip" }}]
bytes = {zip_bytes}
md5 = "{zip_md5}"
unpack = "zip"
nested = ["inner/*.tar.gz", "inner/*.gz"]

[[files]]
name = "notes.txt"
mirrors = [{{ url = "{server}/notes.txt" }}]
git_blob = "{notes_blob}"

[[files]]
name = "extra.txt"
mirrors = [{{ url = "{server}/extra.txt" }}]
bytes_approx = 20
optional = true

[[counts]]
split = "train"
n = {images}
confidence = "verified"
rule = {{ kind = "files", path = "inner/photos/train", suffixes = [".jpg"] }}
"""

BY_HAND = """\
name = "byhand"
kind = "dataset"
title = "By hand"
caption = "brought by the user"
access = "manual"
steps = ["Sign on paper.", "Unpack it."]
layout = {{ required = ["train", "val"] }}

[[files]]
name = "byhand.tar"

[[counts]]
split = "train"
n = {images}
confidence = "verified"
rule = {{ kind = "files", path = "train", suffixes = [".jpg"] }}
"""

WEIGHT_FILES = """\
name = "nets"
kind = "checkpoint"
title = "Nets"
caption = "two sizes"
"""

DERIVED = """\
name = "derived"
kind = "dataset"
title = "Derived"
caption = "the same photographs, another target"
requires = ["photos"]
"""


def write(folder: Path, server) -> Path:
    """The four manifests in `folder`, and what they name on `server`."""
    folder.mkdir()
    scratch = folder / "scratch"
    scratch.mkdir()
    inner = write_tar(scratch / "photos.tar.gz", {f"photos/{name}": content for name, content in TREE.items()}, "w:gz")
    outer = {"inner/photos.tar.gz": inner.read_bytes(), "inner/._photos.tar.gz": b"dropping"}
    # Inner archives unpack where they lie; a second one beside it is a plain gz.
    outer["inner/readme.gz"] = write_gz(scratch / "readme.gz", b"read me").read_bytes()
    archive = write_zip(scratch / "photos.zip", outer).read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(NOTES) + NOTES).hexdigest()
    facts = {"zip_bytes": len(archive), "zip_md5": hashlib.md5(archive).hexdigest(), "notes_blob": blob, "images": IMAGES}
    text = PHOTOS.format(server=server.url(""), **facts)
    (folder / "photos.toml").write_text(text)
    (folder / "byhand.toml").write_text(BY_HAND.format(images=IMAGES))
    (folder / "derived.toml").write_text(DERIVED)
    nets = WEIGHT_FILES
    for name, content in WEIGHTS.items():
        server.add(f"/{name}", content)
        sha256 = hashlib.sha256(content).hexdigest()
        nets += f'[[files]]\nname = "{name}"\nmirrors = [{{ url = "{server.url("/" + name)}" }}]\nsha256 = "{sha256}"\n'
    (folder / "nets.toml").write_text(nets)
    server.add("/photos.zip", archive)
    server.add("/notes.txt", NOTES)
    server.add("/extra.txt", b"twenty bytes of text")
    return folder


def ensure_in_child(manifests: Path, data: Path, name: str, die_at_step: int | None = None) -> None:
    from repro import paths
    from repro.data import holdings, manifest

    paths.manifests_dir = lambda: manifests
    _prepare(die_at_step, None)
    holdings.ensure(manifest.load(name), paths.Places.find(data=str(data)))
