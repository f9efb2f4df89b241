"""Verified bytes from hosts that die: mirrors in order, resumed, hashed on the way, published by rename, receipt last."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path

import filelock
import requests

from repro.data.fields import without_password
from repro.data.line import Line, Patience, TransferError
from repro.data.manifest import File, Mirror
from repro.data.mirrors import choose_mirrors, is_new_address, no_mirror
from repro.data.part import Part
from repro.data.receipt import (
    Receipt,
    algorithms_for,
    beside,
    check_file,
    contradiction,
    has_hash,
    hash_file,
    lock_of,
    place,
    read_receipt,
    receipt_for,
    sync_folder,
    write_json,
)
from repro.data.transfer import transfer
from repro.errors import UserError
from repro.paths import FULL, make_writable, require_space

Progress = Callable[[str, int, int | None], None]
PATIENCE = Patience()


def fetch_files(
    files: Sequence[File],
    root: Path,
    *,
    dataset: str = "",
    mirror: str | None = None,
    parallel: int = 4,
    on_progress: Progress | None = None,
    patience: Patience = PATIENCE,
) -> list[Path]:
    """Fetch several files below `root`, `parallel` at a time; their paths, in order.

    A file that fails does not stop the others; then one `UserError` names all that failed. On Ctrl-C every transfer ends and what
    arrived is kept.
    `on_progress(name, bytes_done, bytes_total_or_None)` is called from the transferring threads.
    """
    dataset = dataset or root.name
    missing = [file for file in files if not check_file(file, root).ok]
    for file in missing:
        if len(missing) > 1 and mirror and is_new_address(file, mirror):
            raise UserError(
                f"{without_password(mirror)} is one address for {len(missing)} files of {dataset}",
                "an address that is not in the manifest must end in '/': the file's name is added to it",
                f"repro data fetch {dataset} --mirror {without_password(mirror)}/",
            )
    require_space(root, sum(max(0, (file.bytes or file.bytes_approx or 0) - _arrived(file, root)) for file in missing), dataset)
    lines = [Line(partial(on_progress, file.name) if on_progress else None) for file in missing]
    failed: dict[str, UserError] = {}
    with ThreadPoolExecutor(max(1, parallel), thread_name_prefix="fetch") as pool:
        jobs = {
            pool.submit(_fetch, file, root, dataset, mirror, line, patience): file.name for file, line in zip(missing, lines, strict=True)
        }
        try:
            for job in as_completed(jobs):
                try:
                    job.result()
                except UserError as error:
                    failed[jobs[job]] = error
        except BaseException:
            for line in lines:
                line.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if len(failed) == 1:
        raise next(iter(failed.values()))
    if failed:
        ordered = [file.name for file in missing if file.name in failed]
        raise UserError(
            f"{len(failed)} of {len(files)} files of {dataset} could not be fetched: {', '.join(ordered)}",
            " | ".join(f"{name}: {failed[name].why}" for name in ordered),
            failed[ordered[0]].cure,
        )
    return [place(file, root) for file in files]


def fetch_file(
    file: File,
    root: Path,
    *,
    dataset: str = "",
    mirror: str | None = None,
    on_progress: Progress | None = None,
    patience: Patience = PATIENCE,
) -> Path:
    """Fetch one file below `root`, or find it there already; its path. Raises `UserError` where no mirror gives the right bytes.

    `mirror` is an address, a folder's address ending in "/", or the host of one of the manifest's mirrors; only that one is asked then.
    """
    return _fetch(file, root, dataset or root.name, mirror, Line(partial(on_progress, file.name) if on_progress else None), patience)


def _arrived(file: File, root: Path) -> int:
    try:
        return beside(place(file, root), ".part").stat().st_size
    except OSError:
        return 0


def _fetch(file: File, root: Path, dataset: str, mirror: str | None, line: Line, patience: Patience) -> Path:
    target = place(file, root)
    if check_file(file, root).ok:  # before anything is written: a shared root may be read-only
        return target
    mirrors = choose_mirrors(file, mirror, dataset)
    make_writable(target.parent, "data")
    try:
        with _locked(target, line):
            _finish(target)
            if not check_file(file, root).ok and not _stands_unproven(file, target):
                _fetch_from_any(file, target, dataset, mirrors, line, patience)
    except OSError as error:
        full = error.errno in FULL
        raise UserError(
            f"cannot write {target}",
            f"{error.strerror or error}; what arrived is kept",
            f"{'free some space' if full else 'mend that'}, then: repro data fetch {dataset}; or keep data elsewhere: repro --data DIR …",
        ) from None
    return target


@contextlib.contextmanager
def _locked(target: Path, line: Line) -> Iterator[None]:
    """Hold the file's lock; while another process has it, wait, but not through a stop."""
    lock = lock_of(target)
    while True:
        line.sleep(0)
        try:
            lock.acquire(timeout=1)
            break
        except filelock.Timeout:
            continue
    try:
        yield
    finally:
        lock.release()


def _stands_unproven(file: File, target: Path) -> bool:
    """Whether the right bytes are here already, brought by other means; then they get their receipt."""
    if not has_hash(file) or not target.is_file():
        return False
    digests, size = hash_file(target, algorithms_for(file)), target.stat().st_size
    if contradiction(file, size, digests):
        return False
    write_json(beside(target, ".complete.json"), receipt_for(file, size, digests, target.as_uri()).model_dump())
    return True


def _fetch_from_any(file: File, target: Path, dataset: str, mirrors: Sequence[Mirror], line: Line, patience: Patience) -> None:
    failures: list[tuple[Mirror, TransferError]] = []
    with Part(target, algorithms_for(file)) as part, requests.Session() as session:
        require_space(target.parent, (file.bytes or file.bytes_approx or 0) - part.size, file.name)
        for mirror in mirrors:
            try:
                digests = _from_mirror(session, file, mirror, part, read_receipt(target), line, patience)
            except TransferError as error:
                failures.append((mirror, error))
                continue
            part.settle()
            receipt = receipt_for(file, part.size, digests, mirror.url, mirror.identical)
            write_json(beside(target, ".verified.json"), receipt.model_dump())
            _finish(target)
            line.report(part.size, part.size)
            return
        kept = part.size
    raise no_mirror(file, dataset, failures, kept)


def _from_mirror(
    session: requests.Session, file: File, mirror: Mirror, part: Part, earlier: Receipt | None, line: Line, patience: Patience
) -> dict[str, str]:
    """The digests of the whole and right file, after as many tries as `patience` allows. Raises the last `TransferError`."""
    failures, restarted, answered = 0, False, False
    facts = file if mirror.identical else File(name=file.name)
    earlier = _still_binding(earlier, file, mirror)
    while True:
        before = part.size
        try:
            whole = transfer(session, file, mirror, part, line, patience)
            digests = part.digests()
            wrong = contradiction(facts, part.size, digests, earlier)
            if not wrong:
                return digests
            restarted = restarted or whole  # one answer brought every byte: to ask again would bring the same
            raise TransferError(f"gave a file with {wrong}", restart=True)
        except TransferError as error:
            if error.restart:
                part.drop()
                if restarted:
                    raise
                restarted = True
                continue
            # A host that has never answered is left at once; one that has may only be out of breath.
            answered = answered or not error.unreachable
            failures = 1 if part.size > before else failures + 1
            wait = error.wait if error.wait is not None else patience.backoff * 2 ** (failures - 1)
            if not (error.retry and answered and failures < patience.tries and wait <= patience.longest_wait):
                raise
            line.sleep(wait)


def _still_binding(earlier: Receipt | None, file: File, mirror: Mirror) -> Receipt | None:
    """The receipt of an earlier complete fetch, where this mirror must give the same bytes again."""
    if earlier is None or earlier.identical != mirror.identical:
        return None
    if not mirror.identical:
        return earlier if earlier.url == without_password(mirror.url) else None
    corrected_since = contradiction(file, earlier.bytes, {"sha256": earlier.sha256})
    return None if corrected_since else earlier


def _finish(target: Path) -> None:
    """Publish a verified part: rename, then the receipt. Runs again, with the same end, after a kill between the two."""
    pending, part = beside(target, ".verified.json"), beside(target, ".part")
    receipt = read_receipt(target, ".verified.json")
    if receipt is None:
        return
    with contextlib.suppress(FileNotFoundError):
        os.replace(part, target)
    beside(target, ".part.json").unlink(missing_ok=True)
    sync_folder(target.parent)
    os.replace(pending, beside(target, ".complete.json"))
    sync_folder(target.parent)
