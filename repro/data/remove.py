"""Take a dataset away: its own folder and nothing else; what links point to stays."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import filelock

from repro.data.marker import forget_marker, lock_of_dataset
from repro.data.unpack import count
from repro.errors import UserError
from repro.paths import Places


def removable(name: str, places: Places) -> tuple[Path, int, int]:
    """The folder that `remove` would take away, its files and their bytes. `UserError`: not here, or only in a shared folder."""
    root = places.data / name
    if os.path.lexists(root):
        files, size = (0, 0) if root.is_symlink() else count([root])
        return root, files, size
    shared = next((folder / name for folder in places.shared_data if (folder / name).is_dir()), None)
    if shared:
        raise UserError(
            f"{name} is not removed", f"it lies in the shared folder {shared}, which is only read", f"ask the owner of {shared}"
        )
    raise UserError(f"{name} is not here", f"there is no {root}", "repro data list")


def remove(name: str, places: Places) -> tuple[int, int]:
    """Remove the dataset's folder with its state; files and bytes that went. Links are removed, never followed.

    The marker goes first: a kill half way leaves a dataset that counts as incomplete.
    """
    root, files, size = removable(name, places)
    try:
        if root.is_symlink():
            root.unlink()
            return 1, 0
        with lock_of_dataset(root).acquire(timeout=0):
            forget_marker(root)
            shutil.rmtree(root)
    except filelock.Timeout:
        raise UserError(f"{name} is not removed", "another process is working on it", f"wait, then: repro data remove {name}") from None
    except OSError as error:
        raise UserError(
            f"{root} could not be removed", error.strerror or str(error), f"mend that, then: repro data remove {name}"
        ) from None
    return files, size
