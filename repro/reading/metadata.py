"""Metadata tables of published data sets: read with their columns checked, thinned with their images for tiny subsets."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.errors import UserError, a_few

if TYPE_CHECKING:
    import pandas as pd


def read_csv(path: Path, columns: Sequence[str], **kwargs: Any) -> pd.DataFrame:
    """A csv file that must have `columns`; what pandas is to know besides goes through `kwargs`. Raises `UserError`."""
    import pandas as pd

    try:
        frame = pd.read_csv(path, **kwargs)
    except OSError as error:
        raise UserError(
            f"cannot read {path}", error.strerror or str(error), "repro data list shows what is here; repro data fetch NAME brings it"
        ) from None
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not the published table", str(error).splitlines()[0], f"replace {path} by the official file") from None
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise UserError(
            f"{path} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}",
            f"it has {', '.join(map(str, frame.columns[:12]))}",
            f"replace {path} by the official file",
        )
    return frame


def copy_all(pairs: Iterable[tuple[Path, Path]]) -> None:
    """Copy files, from each pair's first to its second, whose folders are made. `UserError` that names those that are not there."""
    absent: list[str] = []
    for source, target in pairs:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_file():
            shutil.copyfile(source, target)
        else:
            absent.append(str(source))
    if absent:
        raise UserError(f"{len(absent):,} images are not on disk: {a_few(absent)}", "the metadata names them", "put them back")


def few(frame: pd.DataFrame, by: Sequence[str], most: int) -> pd.DataFrame:
    """At most `most` rows of each group, the same every time, in the frame's order."""
    shuffled = frame.sample(frac=1, random_state=0)
    return frame.loc[sorted(shuffled.groupby(list(by), sort=False).head(most).index)]
