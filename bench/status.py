"""How long `repro status` takes over many runs' folders: `python -m bench.status` prints the line of bench/workers.md.

The folders are made up: nine of ten finished, some failed, some claimed; no number in them was measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
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
        times = []
        for _ in range(3):
            began = time.perf_counter()
            words = [sys.executable, "-m", "repro", "--home", home, "status"]
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=dict(os.environ))
            times.append(time.perf_counter() - began)
    print(f"repro status over {RUNS:,} runs: {min(times):.2f} s, {max(times):.2f} s at most")


if __name__ == "__main__":
    main()
