"""From a copy in another packing (parquet, webdataset) to the official layout: same content, other bytes, counted on arrival."""

from __future__ import annotations

import csv
import io
import os
import shutil
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from repro.data.fields import Record
from repro.data.manifest import Converted, Manifest
from repro.errors import UserError

PNG = b"\x89PNG\r\n\x1a\n"
# WILDS' own numbers for the splits (camelyon17_dataset.py): its loader reads them back unchanged.
CAMELYON17_SPLITS = {"train": 0, "id_val": 1, "test": 2, "val": 3}
CAMELYON17_NUMBERS = ("label", "center", "patient", "node", "x_coord", "y_coord", "slide")
LARGEST_MEMBER = 256 * 2**20


class Conversion(Record):
    """What a converter wrote: the folder, examples per split, and how many images had to be encoded anew (without loss)."""

    folder: Path
    examples: dict[str, int]
    encoded_anew: int


def convertible(manifest: Manifest) -> list[Converted]:
    """The copies of a dataset that can be brought to the official layout."""
    return [copy for copy in manifest.converted if copy.converter]


def convert(manifest: Manifest, source: Path, root: Path) -> list[Conversion]:
    """Write the official layout below `root` from the copy in folder `source`.

    Everything is written under a temporary name beside its destination and renamed when its number of examples is known; what is
    already there is not touched. `UserError`: no converter, no shards in `source`, a row that contradicts what is known, a
    destination that exists.
    """
    copies = convertible(manifest)
    if not copies:
        why = "of none of its copies is enough known" if manifest.converted else "no copy in another packing is known"
        raise UserError(f"there is no converter for {manifest.name}", why, "repro data list")
    return _CONVERTERS[copies[0].converter](manifest, copies[0], source, root)


def _from_camelyon17_parquet(manifest: Manifest, copy: Converted, source: Path, root: Path) -> list[Conversion]:
    """Camelyon17 v1.0 from wltjr1007/Camelyon17-WILDS: `camelyon17_v1.0/{patches, metadata.csv, RELEASE_v1.0.txt}`.

    The order of the rows is the copy's, not the official one. Which rows of a training hospital are id_val follows from the copy's
    own split: its validation holds id_val and val together. Layout: p-lambda/wilds@4726775 camelyon17_dataset.py.
    """
    with _finished_folder(root / "camelyon17_v1.0") as folder:
        examples = Counter(dict.fromkeys(CAMELYON17_SPLITS, 0))
        anew = 0
        with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["", "patient", "node", "x_coord", "y_coord", "tumor", "slide", "center", "split"])
            for index, (shard, copy_split, image, row) in enumerate(_camelyon17_rows(copy, source)):
                split = _camelyon17_split(shard, copy_split, row)
                patient, node, x, y = f"{row['patient']:03d}", row["node"], row["x_coord"], row["y_coord"]
                slide_name = f"patient_{patient}_node_{node}"
                anew += _write_image(folder / "patches" / slide_name / f"patch_{slide_name}_x_{x}_y_{y}.png", image, shard)
                writer.writerow([index, patient, node, x, y, row["label"], row["slide"], row["center"], CAMELYON17_SPLITS[split]])
                examples[split] += 1
        told = f"Converted from {copy.url}: the bytes differ from the official archive.\n"
        (folder / "RELEASE_v1.0.txt").write_text(told, encoding="utf-8")
        _must_agree(manifest, examples, source)
    return [Conversion(folder=root / "camelyon17_v1.0", examples=dict(examples), encoded_anew=anew)]


def _camelyon17_split(shard: Path, copy_split: str, row: dict[str, int]) -> str:
    """The WILDS split of a row; refuses one that breaks the rules by which WILDS numbered hospitals and slides
    (p-lambda/wilds dataset_preprocessing/camelyon17/generate_final_metadata.py)."""
    center = row["center"]
    split = {1: "val", 2: "test"}.get(center, "train" if copy_split == "train" else "id_val")
    expected = {"train": "train", "id_val": "validation", "val": "validation", "test": "test"}[split]
    if center != row["patient"] // 20 or row["slide"] // 10 != center or expected != copy_split or row["label"] not in (0, 1):
        facts = ", ".join(f"{name} {row[name]}" for name in ("label", "center", "patient", "slide"))
        why = f"in split {copy_split}: {facts}; center should be patient // 20 and slide // 10"
        raise _broken(shard, "not the Camelyon17 copy that the converter knows", why)
    return split


def _camelyon17_rows(copy: Converted, source: Path) -> Iterator[tuple[Path, str, bytes, dict[str, int]]]:
    """Rows of all shards in the order of the copy's splits, a few at a time: (shard, split of the copy, image, numbers)."""
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise UserError("parquet files cannot be read", "the package pyarrow is not installed", "pip install 'repro[parquet]'") from None
    columns = ["image", *CAMELYON17_NUMBERS]
    for split in copy.splits:
        for shard in _shards(source, split, ".parquet"):
            try:
                table = parquet.ParquetFile(shard)
                absent = [name for name in columns if name not in table.schema_arrow.names]
                if absent:
                    raise _broken(shard, f"without the column {absent[0]!r}", f"it has {', '.join(table.schema_arrow.names)}")
                for batch in table.iter_batches(batch_size=256, columns=columns):
                    for row in batch.to_pylist():
                        yield shard, split, row["image"]["bytes"], {name: int(row[name]) for name in CAMELYON17_NUMBERS}
            except (pyarrow.ArrowException, OSError, TypeError, KeyError, ValueError) as error:
                raise _broken(shard, "not readable", f"{type(error).__name__}: {error}") from None


def _from_webdataset(manifest: Manifest, copy: Converted, source: Path, root: Path) -> list[Conversion]:
    """One folder per class from webdataset tars (`<key>.<image format>` beside `<key>.cls`), as CLIP_benchmark packs them
    (LAION-AI/CLIP_benchmark webdataset_builder.py); an image keeps its key as name."""
    done = []
    for split, place in copy.into.items():
        with _finished_folder(root / place) as folder:
            examples = Counter({split: 0})
            anew = 0
            for shard in _shards(source, split, ".tar"):
                for key, label, image in _webdataset_samples(shard):
                    if copy.folders and label >= len(copy.folders):
                        why = f"{key} has label {label}; there are {len(copy.folders)} classes"
                        raise _broken(shard, "not the copy that the converter knows", why)
                    name = copy.folders[label] if copy.folders else str(label)
                    anew += _write_image(folder / name / f"{key}{copy.suffix}", image, shard)
                    examples[split] += 1
            _must_agree(manifest, examples, source)
        done.append(Conversion(folder=root / place, examples=dict(examples), encoded_anew=anew))
    return done


def _webdataset_samples(shard: Path) -> Iterator[tuple[str, int, bytes]]:
    """(key, label, encoded image) of each sample. Only the last part of a member's name is used, so none can point elsewhere."""
    key, parts = "", {}
    try:
        with tarfile.open(shard) as archive:
            for member in archive:
                name, _, extension = Path(member.name).name.partition(".")
                if not member.isfile() or not name:
                    continue
                if member.size > LARGEST_MEMBER:
                    raise _broken(shard, "not readable", f"{member.name} claims {member.size:,} bytes; the limit is {LARGEST_MEMBER:,}")
                if name != key:
                    yield from _sample(key, parts, shard)
                    key, parts = name, {}
                parts[extension.lower()] = archive.extractfile(member).read()
        yield from _sample(key, parts, shard)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise _broken(shard, "not readable", f"{type(error).__name__}: {error}") from None


def _sample(key: str, parts: dict[str, bytes], shard: Path) -> Iterator[tuple[str, int, bytes]]:
    if not key:
        return
    image = next((parts[extension] for extension in ("png", "webp", "jpg", "jpeg") if extension in parts), None)
    label = parts.get("cls", b"").strip()
    if image is None or not label.isdigit():
        what = "image" if image is None else "class number"
        raise _broken(shard, f"without {what} for {key}", f"it holds {', '.join(sorted(parts))}")
    yield key, int(label), image


def _shards(source: Path, split: str, suffix: str) -> list[Path]:
    """The files of a split in folder `source`: `<split>-*` or anything in a folder `<split>`, in the order of their numbers."""
    found = {*source.glob(f"**/{split}-*{suffix}"), *source.glob(f"**/{split}/*{suffix}")}
    if not found:
        looked = f"looked for {split}-*{suffix} and {split}/*{suffix}"
        raise UserError(f"no {suffix} files of split {split!r} in {source}", looked, f"download them into {source}")
    return sorted(found, key=lambda path: (len(path.name), path.name))


def _write_image(place: Path, image: bytes, shard: Path) -> bool:
    """Write an encoded image; True where it had to be encoded anew because `place` asks for PNG and it is none (pixels stay equal)."""
    place.parent.mkdir(parents=True, exist_ok=True)
    anew = place.suffix == ".png" and not image.startswith(PNG)
    if anew:
        from PIL import Image

        buffer = io.BytesIO()
        try:
            Image.open(io.BytesIO(image)).save(buffer, format="PNG")
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise _broken(shard, "with an image that cannot be decoded", f"{place.name}: {error}") from None
        image = buffer.getvalue()
    try:
        with place.open("xb") as stream:
            stream.write(image)
    except FileExistsError:
        why = "a shard is there under two names, or two samples share a place"
        raise UserError(f"{shard}: {place.name} came twice", why, f"look at the files beside {shard}") from None
    return anew


def _must_agree(manifest: Manifest, examples: Counter[str], source: Path) -> None:
    """The end of a conversion: the examples written are those that the manifest counts."""
    expected = {count.split: count.n for count in manifest.counts if count.n is not None}
    wrong = [f"{split}: expected {expected[split]:,}, found {n:,}" for split, n in examples.items() if n != expected.get(split, n)]
    if wrong:
        what = f"the copy of {manifest.name} in {source} is not whole"
        raise UserError(what, "; ".join(wrong), f"download its shards into {source} again")


def _broken(shard: Path, how: str, why: str) -> UserError:
    return UserError(f"{shard} is {how}", why, f"remove {shard} and download it again")


@contextmanager
def _finished_folder(destination: Path) -> Iterator[Path]:
    """A folder that appears under its name only when its writer is done; a failure leaves nothing behind."""
    if destination.exists():
        why = "a conversion does not write into existing data"
        raise UserError(f"{destination} is there already", why, f"move {destination} away first")
    partial = destination.with_name(f".{destination.name}.converting-{os.getpid()}")
    partial.mkdir(parents=True)
    try:
        yield partial
        partial.rename(destination)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


_CONVERTERS: dict[str, Callable[[Manifest, Converted, Path, Path], list[Conversion]]] = {
    "camelyon17-parquet": _from_camelyon17_parquet,
    "class-folders": _from_webdataset,
}
