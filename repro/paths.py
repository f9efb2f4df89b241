"""Where things live: data, packs and runs, and the two folders of facts that ship with the program.

Each place is taken from the first that names it: option, environment variable, config file, platform default. `data` may name several
folders, separated as in PATH: the first is written to, the others are shared and only read.
"""

from __future__ import annotations

import errno
import os
import shutil
import tomllib
from functools import cache
from pathlib import Path

import platformdirs
from pydantic import BaseModel, ConfigDict

from repro.errors import UserError, nearest

PLACES = ("home", "data", "packs", "runs")
SPARE = 64 << 20  # bytes left free on a disk that we fill; logs and receipts still need room


def config_file() -> Path:
    """`$REPRO_CONFIG`, else config.toml in the platform's configuration folder."""
    named = os.environ.get("REPRO_CONFIG")
    return Path(named) if named else Path(platformdirs.user_config_dir("repro", appauthor=False)) / "config.toml"


def _read_config() -> dict[str, str]:
    path = config_file()
    if not path.is_file():
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the config file {path}", str(error), f"mend or remove it: {path}") from None
    for key, value in content.items():
        if key not in PLACES or not isinstance(value, str):
            near = nearest(key, PLACES)
            why = f"did you mean {near!r}?" if near and near != key else f"it may hold only {', '.join(PLACES)}, each a path in quotes"
            raise UserError(f"{path}: {key!r} is not a setting", why, f"edit {path}")
    return content


class Places(BaseModel):
    """The folders of one installation; `sources` says for each what named it."""

    model_config = ConfigDict(frozen=True)

    home: Path
    data: Path
    packs: Path
    runs: Path
    sources: dict[str, str]
    shared_data: tuple[Path, ...] = ()

    @property
    def data_roots(self) -> tuple[Path, ...]:
        """Where datasets and weights are looked for, in order; only the first, `data`, is ever written to."""
        return (self.data, *self.shared_data)

    @classmethod
    def find(cls, **options: Path | str | None) -> Places:
        """Resolve every place: option, `REPRO_<PLACE>`, config file, `<home>/<place>`; home's default is the platform's data folder."""
        config = _read_config()
        found: dict[str, Path] = {}
        sources: dict[str, str] = {}
        shared: list[Path] = []
        for place in PLACES:
            variable = f"REPRO_{place.upper()}"
            named, base = "", Path()
            if options.get(place):
                named, sources[place] = str(options[place]), f"--{place}"
            elif os.environ.get(variable):
                named, sources[place] = os.environ[variable], variable
            elif place in config:
                named, sources[place], base = config[place], str(config_file()), config_file().parent
            if named:
                first, *others = _folders(named, base) if place == "data" else [base / Path(named).expanduser()]
                found[place] = first
                shared += others
            elif place == "home":
                found[place], sources[place] = Path(platformdirs.user_data_dir("repro", appauthor=False)), "default"
            else:
                found[place], sources[place] = found["home"] / place, sources["home"]
            found[place] = found[place].expanduser().absolute()
            _require_text(place, found[place])
        return cls(**found, sources=sources, shared_data=tuple(shared))


def _require_text(place: str, folder: Path) -> None:
    """The libraries that read weights take paths in UTF-8 alone; told before anything is trained."""
    try:
        os.fsencode(folder).decode("utf-8")
    except UnicodeDecodeError:
        why = "its bytes are no UTF-8, in which files of weights are named"
        raise UserError(
            f"the {place} folder {folder} has a name that is no text", why, f"rename it, or name another: --{place} DIR"
        ) from None


def _folders(named: str, base: Path) -> list[Path]:
    """The folders of a list separated as in PATH; relative ones are below `base`."""
    folders = [(base / Path(part).expanduser()).absolute() for part in named.split(os.pathsep) if part]
    if not folders:
        raise UserError(
            f"{named!r} names no data folder", "there is nothing between the separators", "repro --data DIR …, or set REPRO_DATA"
        )
    return folders


@cache
def _shipped(folder: str) -> Path:
    """The folder at the top of the checkout, or inside the package where it was installed from a wheel."""
    package = Path(__file__).resolve().parent
    wheel = package / "_shipped" / folder
    return wheel if wheel.is_dir() else package.parent / folder


def tables_dir() -> Path:
    """Reported numbers and recipes per table row."""
    return _shipped("tables")


def manifests_dir() -> Path:
    """Facts about bytes: one TOML file per dataset or checkpoint family."""
    return _shipped("data_manifests")


def make_writable(folder: Path, place: str) -> Path:
    """Create `folder` and prove that it can be written to; a `UserError` names the option that moves it elsewhere."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-{os.getpid()}"
        probe.touch()
        probe.unlink(missing_ok=True)  # another thread of ours may be probing too
    except OSError as error:
        raise UserError(
            f"cannot write to the {place} folder {folder}",
            f"{error.strerror or error}",
            f"name another: repro --{place} DIR …, or set REPRO_{place.upper()}",
        ) from None
    return folder


def free_space(folder: Path) -> int:
    """Free bytes on the disk of `folder`, which may not exist yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


FULL = frozenset([errno.ENOSPC, errno.EDQUOT, errno.EFBIG])  # of a disk, a quota, a file system's largest file


def no_room(folder: Path, purpose: str, why: str, place: str) -> UserError:
    """The error for a disk that is full or will be; its cure names the option that moves `place` elsewhere."""
    return UserError(
        f"not enough room on the disk of {folder} for {purpose}",
        why,
        f"free some space, or keep {place} elsewhere: repro --{place} DIR …, or set REPRO_{place.upper()}",
    )


def require_space(folder: Path, needed: int, purpose: str, place: str = "data") -> None:
    """Raise `UserError` where the disk under `folder` (which may not exist yet) lacks `needed` bytes and a little to spare."""
    free = free_space(folder)
    if needed > 0 and needed + SPARE > free:
        raise no_room(folder, purpose, f"it needs {(needed + SPARE) / 1e9:,.2f} GB and {free / 1e9:,.2f} GB are free", place)
