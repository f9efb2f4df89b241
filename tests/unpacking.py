"""Archives of every kind, and what must be true after one was refused."""

from __future__ import annotations

import tarfile

import pytest
from archives import read_tree, tree, write_tar, write_zip

from repro.data.unpack import standing, unpack
from repro.errors import UserError

FILES = tree()


WRITERS = {
    "gnu.tar": lambda path: write_tar(path, FILES),
    "ustar.tar": lambda path: write_tar(path, FILES, layout=tarfile.USTAR_FORMAT),
    "pax.tar": lambda path: write_tar(path, FILES, layout=tarfile.PAX_FORMAT),
    "x.tar.gz": lambda path: write_tar(path, FILES, "w:gz"),
    "plain-in-disguise.tar.gz": lambda path: write_tar(path, FILES),
    "x.tar.xz": lambda path: write_tar(path, FILES, "w:xz"),
    "x.zip": lambda path: write_zip(path, FILES),
}


def kind_of(name: str) -> str:
    return "zip" if name.endswith(".zip") else "tar"


def seen(folder) -> dict[str, bytes]:
    return {name: content for name, content in read_tree(folder).items() if not name.endswith(".lock")}


def refused(archive, into, kind="tar", **limits) -> UserError:
    """The error for `archive`, after a look that nothing of it was kept anywhere."""
    before = seen(archive.parent.parent)
    with pytest.raises(UserError) as caught:
        unpack(archive, into, kind, dataset="demo", **limits)
    assert seen(archive.parent.parent) == before
    assert not any(path.name.startswith(".") or path.is_symlink() for path in archive.parent.parent.rglob("*"))
    assert standing(archive, into) is None
    return caught.value
