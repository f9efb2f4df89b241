"""Two workers against one on `digits`: `python -m bench.two_workers` prints the line of bench/workers.md, in some ten minutes.

Scratch, FT, LP and LP-FT with three seeds each are to be done; the pretraining that they start from is there already, for it is one run.
Each worker has one core; beside them, a command without workers, one run after another on all cores.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.ratios import by_turns, seconds
from repro.outcomes.store import Store

METHODS = "scratch,ft,lp-ft"
RUNS = 4 * 3  # LP, from which LP-FT starts, too


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    rounds = parser.parse_args().rounds
    repository = Path(__file__).resolve().parents[1]

    def repro(home: Path, *words: str, threads: str = "") -> None:
        environment = {**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": threads}
        command = [sys.executable, "-m", "repro", "--home", str(home), "run", "digits", *words]
        subprocess.run(command, env={name: value for name, value in environment.items() if value}, check=True, stdout=subprocess.DEVNULL)

    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared"
        repro(prepared, "--method", METHODS, "--seeds", "1")  # everything packed, too
        runs = prepared / "runs" / "digits"
        for made in runs.iterdir():
            if not made.name.startswith("clip-pretrain-"):
                shutil.rmtree(made)
        count = iter(range(1000))

        def timed(*words: str, threads: str = "") -> float:
            home = Path(folder) / str(next(count))
            shutil.copytree(prepared, home)
            spent = seconds(lambda: repro(home, "--method", METHODS, *words, threads=threads))
            assert len(list(Store(home / "runs").results("digits"))) == RUNS + 1
            shutil.rmtree(home)
            return spent

        one, two, alone = by_turns(rounds, lambda: timed("--workers", "1", threads="1"), lambda: timed("--workers", "2"), timed)
    print(
        f"| two workers on `digits`, a core each | {two:.0f} s for {RUNS} runs, where one takes {one:.0f} s: {one / two:.2f} × (aim: 1.7 ×); ",
        end="",
    )
    print(f"one run after another on all {os.cpu_count()} cores {alone:.0f} s: {alone / two:.2f} × | `python -m bench.two_workers` |")


if __name__ == "__main__":
    main()
