"""Is a folder what its manifest says? Required paths, examples per split, classes, md5 of members: each finding carries its numbers."""

from __future__ import annotations

import csv
import hashlib
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from repro.data.array_header import axis_length, read_labels
from repro.data.counts import Count, Rule, histogram_hash
from repro.data.fields import Record
from repro.data.manifest import Manifest
from repro.errors import UserError


class Finding(Record):
    """One check and its two numbers. `doubtful`: it differs from a number that is itself only recalled; `unchecked`: there is no
    rule, or optional data is absent (`found` is None)."""

    subject: str
    unit: str
    expected: int
    found: int | None
    state: Literal["ok", "wrong", "doubtful", "unchecked"]
    detail: str = ""

    def sentence(self) -> str:
        found = "not counted" if self.found is None else f"found {self.found:,}"
        return f"{self.subject}: expected {self.expected:,} {self.unit}, {found}" + (f" ({self.detail})" if self.detail else "")


def check_layout(manifest: Manifest, root: Path) -> list[Finding]:
    """Every check that needs no hashing: paths, patterns, counts. `UserError`: no such folder, or a file that cannot be read."""
    if not root.is_dir():
        raise UserError(f"there is no folder {root}", f"{manifest.name} should be in it", f"repro data fetch {manifest.name}")
    findings = _paths(manifest, root)
    for count in manifest.counts:
        findings += _count(count, manifest, root)
    return findings


def check_members(manifest: Manifest, root: Path) -> list[Finding]:
    """Hash the unpacked files whose md5 is published; one finding per archive: members that match."""
    findings = []
    for file in manifest.files:
        if file.members and not (file.optional and not any((root / member).exists() for member in file.members)):
            bad = [member for member, md5 in file.members.items() if _md5(root / member) != md5]
            found = len(file.members) - len(bad)
            state = "wrong" if bad else "ok"
            detail = f"first: {bad[0]}" if bad else ""
            findings.append(
                Finding(subject=file.name, unit="members of known md5", expected=len(file.members), found=found, state=state, detail=detail)
            )
    return findings


def tops(manifest: Manifest) -> set[str]:
    """The first parts of all paths that the layout and the counts speak of; they may be patterns."""
    rules = [count.rule for count in manifest.counts if count.rule]
    paths = [*manifest.layout.required, *manifest.layout.patterns]
    paths += [path for rule in rules for path in (rule.path, rule.labels, rule.folder) if path]
    return {path.partition("/")[0] for path in paths}


def unpacked(manifest: Manifest) -> list[str]:
    """The required paths that are not themselves files to fetch: what archives unpack to."""
    plain = {file.name for file in manifest.files if file.unpack == "none"}
    return [path for path in manifest.layout.required if path not in plain]


def tree_in(manifest: Manifest, source: Path, wanted: Sequence[str]) -> Path | None:
    """The folder that stands for the dataset's root: `source`, the one above, or one below it that has all `wanted` paths."""
    above = [source.parent] if source.name in tops(manifest) else []
    for candidate in (source, *above, source / manifest.name):
        if wanted and all((candidate / path).exists() for path in wanted):
            return candidate
    return None


def faults(findings: list[Finding]) -> list[Finding]:
    """Those that show the data to be incomplete or other than it should be."""
    return [finding for finding in findings if finding.state == "wrong"]


def _md5(path: Path) -> str | None:
    if not path.is_file():
        return None
    with _readable(path), path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn a failure to read `path` into the error that names it."""
    try:
        yield
    except (OSError, ValueError, KeyError, EOFError, csv.Error, zipfile.BadZipFile, zlib.error) as error:
        cure = f"remove {path} and fetch the dataset again"
        raise UserError(f"cannot read {path}", f"{type(error).__name__}: {error}", cure) from None


def _paths(manifest: Manifest, root: Path) -> list[Finding]:
    findings = []
    for unit, wanted, missing in (
        ("required paths", manifest.layout.required, [path for path in manifest.layout.required if not (root / path).exists()]),
        ("patterns with a match", manifest.layout.patterns, [p for p in manifest.layout.patterns if next(root.glob(p), None) is None]),
    ):
        if wanted:
            detail = f"missing: {', '.join(missing[:3])}{' …' if len(missing) > 3 else ''}" if missing else ""
            state = "wrong" if missing else "ok"
            found = len(wanted) - len(missing)
            findings.append(Finding(subject="layout", unit=unit, expected=len(wanted), found=found, state=state, detail=detail))
    return findings


def _count(count: Count, manifest: Manifest, root: Path) -> list[Finding]:
    expected = count.n if count.n is not None else count.n_approx
    told = {"subject": count.split, "unit": "folders" if count.rule and count.rule.kind == "folders" else "examples", "expected": expected}
    if count.rule is None:
        return [Finding(**told, found=None, state="unchecked", detail="no rule to count it by")]
    path = root / count.rule.path
    if not path.exists():
        if count.optional:
            return [Finding(**told, found=None, state="unchecked", detail="optional, not here")]
        return [Finding(**told, found=0, state="wrong", detail=f"missing: {count.rule.path}")]
    if count.rule.kind == "h5-rows" and find_spec("h5py") is None:
        return [Finding(**told, found=None, state="unchecked", detail="to count it: pip install 'repro[h5]'")]
    with _readable(path):
        by_class = bool(count.histogram or count.per_class or count.label_histogram)
        found, histogram = _measure(count.rule, path, root, by_class)
    differs = "doubtful" if count.confidence == "recalled" or count.n is None else "wrong"
    detail = f"the expected number is {count.confidence}" if found != expected and differs == "doubtful" else ""
    findings = [Finding(**told, found=found, state="ok" if found == expected else differs, detail=detail)]
    if histogram is not None:
        findings.append(_histogram_finding(count, manifest, histogram))
    return findings


def _histogram_finding(count: Count, manifest: Manifest, found: list[int]) -> Finding:
    """Compare examples per class: by the list, by the number that all share, or by the hash alone."""
    expected = list(count.histogram) or ([count.per_class] * (manifest.classes or len(found)) if count.per_class else None)
    told = {"subject": f"{count.split}, per class", "unit": "classes of the right size"}
    if expected is None:
        same = histogram_hash(found) == count.label_histogram
        return Finding(**told, expected=len(found), found=len(found) if same else 0, state="ok" if same else "wrong")
    right = sum(a == b for a, b in zip(expected, found, strict=False))
    wrong = next((label for label, (a, b) in enumerate(zip(expected, found, strict=False)) if a != b), None)
    same = right == len(expected) == len(found)
    detail = "" if wrong is None else f"first: label {wrong}, expected {expected[wrong]:,}, found {found[wrong]:,}"
    return Finding(**told, expected=len(expected), found=right, state="ok" if same else "wrong", detail=detail)


def _measure(rule: Rule, path: Path, root: Path, by_class: bool) -> tuple[int, list[int] | None]:
    """The number a rule counts, and the examples per class where they are wanted and the rule can tell."""
    if rule.kind == "files":
        per_folder = _files_per_folder(path, rule.suffixes)
        classes = [per_folder[name] for name in sorted(per_folder) if name]
        return sum(per_folder.values()), classes if by_class else None
    if rule.kind == "folders":
        return sum(entry.is_dir() for entry in os.scandir(path)), None
    if rule.kind == "lines":
        with path.open("rb") as stream:
            return sum(bool(line.strip()) for line in stream), None
    if rule.kind == "csv-rows":
        return _csv_rows(rule, path, root), None
    if rule.kind == "records":
        records, rest = divmod(path.stat().st_size, rule.record_bytes)
        if rest:
            raise ValueError(f"its size is no multiple of {rule.record_bytes} bytes: {rest} bytes are left over")
        return records, None
    if rule.kind == "h5-rows":
        return _h5_rows(path, rule.key), None
    labelled = rule.labels or rule.labels_key
    labels = read_labels(root / rule.labels if rule.labels else path, rule.labels_key) if by_class and labelled else None
    return axis_length(path, rule.key), labels


def _h5_rows(path: Path, key: str) -> int:
    """The first axis of an array in an HDF5 file; a file that was cut short cannot be opened."""
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        return len(file[key])


def _files_per_folder(folder: Path, suffixes: tuple[str, ...]) -> Counter[str]:
    """Files with one of the suffixes (any, where none are named), by the first folder below `folder`; "" for those directly in it."""
    found: Counter[str] = Counter()
    for entry in os.scandir(folder):
        if entry.is_dir():
            found[entry.name] = sum(name.endswith(suffixes or "") for name in _names_below(entry.path))
        elif entry.name.endswith(suffixes or ""):
            found[""] += 1
    return found


def _names_below(folder: str) -> Iterator[str]:
    for _, _, names in os.walk(folder):
        yield from names


def _csv_rows(rule: Rule, path: Path, root: Path) -> int:
    """Rows that a csv rule lets through; the files it names are looked up in one listing of their folder.

    ISO 8601 dates of one time zone compare as text. A row that is cut short does not count.
    """
    present = set()
    if rule.folder and (root / rule.folder).is_dir():
        present = {entry.name for entry in os.scandir(root / rule.folder)}
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.reader(stream)
        columns = {name: index for index, name in enumerate(next(reader, []))}
        wanted = [*rule.where, *filter(None, (rule.date_column, rule.file_column))]
        absent = [name for name in wanted if name not in columns]
        if absent:
            raise ValueError(f"it has no column {absent[0]!r}")
        held = [(columns[name], frozenset(values)) for name, values in rule.where.items()]
        date, file = columns.get(rule.date_column), columns.get(rule.file_column)
        found = 0
        for row in reader:
            if len(row) != len(columns) or any(row[index] not in values for index, values in held):
                continue
            if rule.date_column and (row[date] < rule.since or (rule.before and row[date] >= rule.before)):
                continue
            found += not rule.file_column or row[file] in present
        return found
