"""A run's `result.json` as it is written and read: whole by its own hash, or named as damaged with what cures it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from repro.errors import UserError, quoted
from repro.types import SCHEMA, Result

MOST = 5  # that are named one by one
END = "\n}"
SEAL = ',\n "sha256": "'  # the last entry: the hash of the text without it


class Damaged(UserError):
    """A `result.json` that is there and cannot be used; `folder` is its run's. What looks at many results leaves it out and says so."""

    def __init__(self, folder: Path, what: str, why: str, cure: str):
        super().__init__(what, why, cure)
        self.folder = folder

    def __reduce__(self):
        return (Damaged, (self.folder, *self.lines()))

    @property
    def key(self) -> str:
        return self.folder.name.rpartition("-")[2]

    @property
    def benchmark(self) -> str:
        return self.folder.parent.name.removesuffix("-tiny")

    @property
    def tiny(self) -> bool:
        return self.folder.parent.name.endswith("-tiny")


def text(result: Result) -> str:
    """What is written: the result, and the hash of it by which a changed digit is noticed."""
    content = result.model_dump_json(indent=1)
    return f'{content.removesuffix(END)}{SEAL}{_hash(content)}"{END}'


def _hash(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def _unsealed(content: str) -> str:
    """The text without its hash, which must be right; one of before there were any has none."""
    before, sealed, after = content.rpartition(SEAL)
    if not sealed:
        return content
    if after != f'{_hash(before + END)}"{END}':
        raise ValueError("it is not what was written: its hash is another")
    return before + END


def read(folder: Path) -> Result | None:
    """The finished result in `folder`, None where there is none; one that cannot be read, or of another version, is `Damaged`."""
    path = folder / "result.json"
    again = f"rm -r {quoted(folder)}, then make it again by repro run"
    try:
        content = json.loads(_unsealed(path.read_text(encoding="utf-8")))
        version = content["schema_version"]
        if version != SCHEMA:
            what, why = f"{path} has schema {version}, this program reads {SCHEMA}", "it was written by another version"
            raise Damaged(folder, what, why, f"{again}; or keep it, and name another place: repro --runs DIR …")
        return _whole(Result.model_validate(content))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        cure = f"chmod -R u+rwX {quoted(folder)}, by whom it belongs to"
        raise Damaged(folder, f"{path} cannot be read", error.strerror or str(error), cure) from None
    except OSError as error:  # a disk or a network that may be well again later
        cure = f"the same command once more; if it stays so: {again}"
        raise Damaged(folder, f"{path} cannot be read", error.strerror or str(error), cure) from None
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
        # what Python says in words of its own
        bare = {KeyError: f"it has no {error}", TypeError: "it is no JSON object", UnicodeDecodeError: "it is no text"}
        why = bare.get(type(error)) or str(error).split("\n")[0]
        raise Damaged(folder, f"{path} is damaged", why, again) from None


def _whole(result: Result) -> Result:
    """What the judge makes sure of (nn/evaluate.py); a name that one bit has changed would stop every table of its benchmark instead."""
    headlines = {split.name: result.run.benchmark.metric_of(split) for split in result.run.benchmark.splits}
    if not result.checkpoints:
        raise ValueError("it has no checkpoints")
    for point in result.checkpoints:
        for split, metrics in point.metrics.items():
            if split not in headlines:
                raise ValueError(f"its {point.name} has metrics of {split}, which is no split of {result.run.benchmark.name}")
            if headlines[split] not in metrics:
                raise ValueError(f"its {point.name} has no {headlines[split]} on {split}")
    return result


def left_out(damaged: Iterable[Damaged]) -> list[str]:
    """A line for each of the first with its cure, then how many more there are; a run that was met several times is told once."""
    each = list({one.folder: one for one in damaged}.values())
    lines = [f"left out: {one.what} ({one.why}); try: {one.cure}".replace("\n", " ") for one in each[:MOST]]
    return lines + ([f"left out: {len(each) - MOST:,} more damaged results, which repro show lists"] if len(each) > MOST else [])
