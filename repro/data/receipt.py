"""What is known of a file on disk: its receipt, written last, and the quick and full checks against it.

Beside `name` lie `name.complete.json` (the receipt: the file is whole) and, while it is under way, `name.part`, `name.part.json`,
`name.verified.json` and `name.lock`.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError

from repro.data.fields import without_password
from repro.data.manifest import File, Record
from repro.errors import UserError

BUFFER = 1 << 20


class Receipt(Record):
    """Proof that a file arrived whole. `sha256` is recorded on the first complete fetch and checked ever after; `md5` where asked for."""

    name: str
    bytes: int
    sha256: str
    md5: str | None = None
    url: str
    identical: bool = True
    date: str


class Check(Record):
    """The outcome of looking at one file: `ok`, and a sentence on what was seen."""

    name: str
    ok: bool
    detail: str
    bytes: int | None = None


def place(file: File, root: Path) -> Path:
    """Where `file` lies below its dataset's `root`."""
    return root / file.name


def beside(path: Path, suffix: str) -> Path:
    """The companion of `path`: `.part`, `.part.json`, `.verified.json`, `.complete.json` or `.lock`."""
    return path.with_name(path.name + suffix)


def lock_of(path: Path) -> FileLock:
    """The lock that keeps two processes, or two threads, from working on `path` at once; it dies with its process."""
    return FileLock(beside(path, ".lock"), thread_local=False)


def sync_folder(folder: Path) -> None:
    """Make a rename within `folder` outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, content: dict, *, durable: bool = True) -> None:
    """Write `content` under a temporary name, then rename: a reader sees all of it or nothing."""
    temporary = beside(path, ".tmp")
    with open(temporary, "w", encoding="utf-8") as handle:
        json.dump(content, handle, indent=1)
        handle.write("\n")
        if durable:
            handle.flush()
            os.fsync(handle.fileno())
    os.replace(temporary, path)


def read_receipt(path: Path, suffix: str = ".complete.json") -> Receipt | None:
    """The receipt beside `path`, or None where there is none that can be read."""
    try:
        return Receipt.model_validate_json(beside(path, suffix).read_bytes())
    except (OSError, ValidationError):
        return None


def algorithms_for(file: File) -> tuple[str, ...]:
    """sha256 always, because the receipt holds it; others only where the manifest names one, because they cost twice as much.

    `git_blob` only where there is no other: its first bytes depend on the size, so it cannot follow a file that is still growing.
    """
    md5 = ("md5",) if file.md5 or file.md5_prefix else ()
    sha512 = ("sha512",) if file.sha512_prefix else ()
    blob = ("git_blob",) if file.git_blob and not (md5 or sha512 or file.sha256 or file.sha256_prefix) else ()
    return ("sha256", *md5, *sha512, *blob)


def hash_file(path: Path, algorithms: tuple[str, ...] = ("sha256",)) -> dict[str, str]:
    """Hex digests of a whole file, read once. `git_blob` is the sha1 by which git names the content."""
    digests = {name: hashlib.new("sha1" if name == "git_blob" else name) for name in algorithms}
    if "git_blob" in digests:
        digests["git_blob"].update(b"blob %d\0" % path.stat().st_size)
    with open(path, "rb", buffering=0) as handle:
        if len(digests) == 1 and "git_blob" not in digests:
            (name,) = digests
            return {name: hashlib.file_digest(handle, name).hexdigest()}
        view = memoryview(bytearray(BUFFER))
        while count := handle.readinto(view):
            for digest in digests.values():
                digest.update(view[:count])
    return {name: digest.hexdigest() for name, digest in digests.items()}


def has_hash(file: File) -> bool:
    """Whether the manifest names any digest, so that a mixture of two hosts' bytes would be found out."""
    return bool(file.md5 or file.sha256 or file.md5_prefix or file.sha256_prefix or file.sha512_prefix or file.git_blob)


def contradiction(file: File, size: int, digests: dict[str, str], earlier: Receipt | None = None) -> str | None:
    """How `size` (bytes) and `digests` disagree with the manifest or with the `earlier` receipt; None where they agree."""
    if file.bytes is not None and size != file.bytes:
        return f"{size:,} bytes where the manifest says {file.bytes:,}"
    if file.bytes is None and file.bytes_approx and not file.bytes_approx / 2 <= size <= file.bytes_approx * 2:
        return f"{size:,} bytes where the manifest says about {file.bytes_approx:,}"
    facts = {
        "sha256": file.sha256 or file.sha256_prefix,
        "md5": file.md5 or file.md5_prefix,
        "sha512": file.sha512_prefix,
        "git_blob": file.git_blob,
    }
    for name, expected in facts.items():
        if expected and name in digests and not digests[name].startswith(expected.lower()):
            return f"{name} {digests[name]} where the manifest says {expected}"
    if earlier and "sha256" in digests and digests["sha256"] != earlier.sha256:
        return f"sha256 {digests['sha256']} where the first complete fetch had {earlier.sha256}"
    return None


def binding_receipt(file: File, root: Path) -> Receipt | None:
    """The receipt of an earlier complete fetch, unless it is of other bytes of the same content or the manifest was corrected since."""
    receipt = read_receipt(place(file, root))
    return None if receipt is None or not receipt.identical or _agrees(file, receipt) else receipt


def receipt_for(file: File, size: int, digests: dict[str, str], url: str, identical: bool = True) -> Receipt:
    """The receipt of a file that was just verified, dated now (UTC)."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    md5, url = digests.get("md5"), without_password(url)
    return Receipt(name=file.name, bytes=size, sha256=digests["sha256"], md5=md5, url=url, identical=identical, date=now)


def _agrees(file: File, receipt: Receipt) -> str | None:
    """A receipt older than a correction of the manifest is no proof: its facts are compared again."""
    if not receipt.identical:
        return None
    digests = {"sha256": receipt.sha256} | ({"md5": receipt.md5} if receipt.md5 else {})
    return contradiction(file, receipt.bytes, digests)


def check_file(file: File, root: Path, *, full: bool = False) -> Check:
    """Look at one file: its receipt and its size; with `full`, its hashes too, read from disk. Writes nothing, needs no lock."""
    path = place(file, root)
    receipt = read_receipt(path)
    try:
        size = path.stat().st_size
    except OSError:
        return Check(name=file.name, ok=False, detail="is not here")
    problem = None
    if receipt is None:
        problem = "has no receipt: it was never fetched to its end or never verified"
    elif size != receipt.bytes:
        problem = f"has {size:,} bytes where its receipt says {receipt.bytes:,}"
    elif disagreement := _agrees(file, receipt):
        problem = f"has a receipt that disagrees with the manifest: {disagreement}"
    elif full:
        facts = file if receipt.identical else File(name=file.name)
        disagreement = contradiction(facts, size, hash_file(path, algorithms_for(facts)), receipt)
        problem = disagreement and f"has {disagreement}"
    if problem:
        return Check(name=file.name, ok=False, detail=problem, bytes=size)
    seen = f"sha256 {receipt.sha256[:12]}… read again" if full else "by size"
    return Check(name=file.name, ok=True, detail=f"{size:,} bytes, {seen}", bytes=size)


def adopt_file(file: File, path: Path, root: Path) -> Receipt:
    """Link a copy that the user already has into `root` after verifying it against the manifest; nothing is copied.

    Raises `UserError` where `path` is not a file or its bytes are not those the manifest names.
    """
    source = Path(path).absolute()
    if not source.is_file():
        raise UserError(f"cannot adopt {source}", "it is not a file", "name the downloaded file itself")
    digests, size = hash_file(source, algorithms_for(file)), source.stat().st_size
    if wrong := contradiction(file, size, digests, binding_receipt(file, root)):
        cure = "download it again, or name another copy"
        if "first complete fetch" in wrong:
            cure += f"; to accept this one: repro data remove {root.name}, then add again"
        raise UserError(f"{source} is not {file.name}", f"it has {wrong}", cure)
    target = place(file, root)
    target.parent.mkdir(parents=True, exist_ok=True)
    receipt = receipt_for(file, size, digests, source.as_uri())
    with lock_of(target):
        if not (target.exists() and target.samefile(source)):
            link = beside(target, ".link")
            link.unlink(missing_ok=True)
            link.symlink_to(source)
            os.replace(link, target)
        write_json(beside(target, ".complete.json"), receipt.model_dump())
    return receipt
