"""What `repro status` takes over many runs' folders: `python -m bench.status` prints the line of bench/workers.md.

The folders are made up: nine of ten finished, some failed, some claimed; no number in them was measured.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from repro.outcomes import processes

RUNS = 10_000


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        for number in range(RUNS):
            folder = Path(home) / "runs" / f"made-up-{number % 8}" / f"ft-s{number}-{number:020x}"
            folder.mkdir(parents=True)
            (folder / "run.json").write_text("{}")
            if number % 10:
                (folder / "result.json").write_text("{}")
            elif number % 20:
                (folder / "failed.json").write_text(json.dumps({"error": "made up", "trace": "x" * 5000}))
            else:
                (folder / "claim.json").write_text(json.dumps({**processes.this_process(), "token": f"{number}"}))
        words = [sys.executable, "-m", "repro", "--home", home, "status"]
        taken = [spent(words) for _ in range(3)]
        empty = spent([*words[:-2], f"{home}/empty", "status"])
    print(f"repro status over {RUNS:,} runs: {min(taken):.2f} s of processor time, {empty:.2f} s over none")


def spent(words: list[str]) -> float:
    """The processor's seconds of a command, which other work on the machine hardly changes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
