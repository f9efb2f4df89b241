"""On which devices the workers of this machine are, and how many threads each has."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from typing import NamedTuple

from repro.errors import UserError
from repro.outcomes import index
from repro.outcomes.store import Store
from repro.preflight.device import cores
from repro.types import Run

MOST_PER_GPU = 4  # more wait for each other's kernels
CONTEXT_BYTES = 1 << 30  # of CUDA's own, for each process
SHARE = 0.9  # of free memory that is planned with
ASK_SECONDS = 120.0
_ASK = "import json, torch; print(json.dumps([torch.cuda.mem_get_info(i)[0] for i in range(torch.cuda.device_count())]))"


class Seat(NamedTuple):
    """Where one worker works; `threads` for arithmetic on the CPU."""

    device: str
    threads: int


def free_of_gpus() -> list[int]:
    """Free bytes of each GPU that torch sees; asked in another process, whose own share is given back when it ends."""
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        done = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True, timeout=ASK_SECONDS)
        return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else []
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
        return []


def free_of_machine() -> int | None:
    """Bytes that new processes can have, None where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return None


def peak_of(runs: Iterable[Run], store: Store) -> int | None:
    """Bytes that runs like these took at most, as far as earlier ones tell."""

    def kind(run: Run) -> tuple[str, str, str]:
        return run.method, run.benchmark.folder, run.backbone.name

    wanted = {kind(run) for run in runs}
    return max((result.peak_memory_bytes or 0 for result in index.find(store).results if kind(result.run) in wanted), default=0) or None


def parse(text: str) -> int | None:
    """`--workers N`, None for `auto`."""
    if text == "auto":
        return None
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise UserError(f"--workers {text}: not a number of processes", "it is from 1 to 1000, or auto", "for example --workers auto")
    return int(text)


def seats(workers: int | None, device: str, runs: list[Run], store: Store) -> list[Seat]:
    """One per worker. None: one per GPU, or several where earlier runs like these show that they fit; on CPUs, one per core."""
    gpus = free_of_gpus() if device in ("auto", "cuda") else []
    threads = cores()
    if gpus:
        each = 1 if workers else _that_fit(min(gpus), peak_of(runs, store), CONTEXT_BYTES, MOST_PER_GPU)
        count = min(workers or each * len(gpus), max(len(runs), 1))
        return [Seat(f"cuda:{index % len(gpus)}", max(1, threads // count)) for index in range(count)]
    if workers is None and device.startswith("cuda:"):
        workers = 1
    room = free_of_machine()
    peak = peak_of(runs, store) if workers is None else None
    fitting = threads if room is None or workers else _that_fit(room, peak, 0, threads)
    count = min(workers or (fitting if peak else threads), max(len(runs), 1))
    return [Seat("cpu" if device == "auto" else device, max(1, threads // count))] * count


def _that_fit(free: int, peak: int | None, beside: int, most: int) -> int:
    """How many processes that take `peak` bytes, and `beside` on top, fit; one where nobody knows."""
    return max(1, min(most, int(SHARE * free) // (peak + beside))) if peak else 1
