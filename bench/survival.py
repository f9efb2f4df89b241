"""Kill the program at random instants – fetching, packing, training, judging, making the table – and see that nothing came out otherwise.

`python -m bench.survival --kills 50 --seed 0` prints the table of bench/survival.md. A life is a fresh folder in which the same command is
killed and started again until it gets through; its results must then be, bit for bit, those of a life without kills.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import http.server
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from repro.outcomes.index import NAME

ROOT = Path(__file__).resolve().parent.parent
SETS = ("clip-pretrain.epochs=3", "clip-pretrain.batch_size=25", "epochs=3", "batch_size=10")
RUN = [
    "run",
    "digits",
    "--tiny",
    "-m",
    "scratch,lp-ft",
    "--seeds",
    "1",
    "--device",
    "cpu",
    *(word for text in SETS for word in ("--set", text)),
]
TABLE = ["table", "digits", "--tiny", "--format", "csv"]
FETCH = """
import sys
from pathlib import Path
from repro.data.fetch import fetch_file
from repro.data.manifest import File, Mirror
fetch_file(File(name="x.bin", mirrors=(Mirror(url=sys.argv[1]),), sha256=sys.argv[2]), Path(sys.argv[3]))
"""
MIB = 1 << 20
RUN_SHARE, TABLE_SHARE = 0.7, 0.15  # of the kills; the rest are of fetches


def start(home: Path, words: list[str]) -> subprocess.Popen:
    """A process of the program; its output is thrown away, but for a table's."""
    environment = {**os.environ, "REPRO_HOME": str(home), "REPRO_CONFIG": str(home / "none.toml"), "PYTHONPATH": str(ROOT)}
    environment |= {"OMP_NUM_THREADS": "1", "COLUMNS": "200", "NO_PROXY": "127.0.0.1"}
    return subprocess.Popen([sys.executable, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def through(home: Path, words: list[str]) -> tuple[bytes, float]:
    """To the end: what it printed, and the processor's seconds that it took, which other work on the machine does not change."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = start(home, words)
    said, _ = process.communicate()
    if process.returncode:
        sys.exit(f"{' '.join(words[:4])} … ended with {process.returncode} in {home}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return said, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def killed(home: Path, words: list[str], after: float) -> bool:
    """Kill it when it has taken so many of the processor's seconds; False where it was through before."""
    process = start(home, words)
    while process.poll() is None and taken(process.pid) < after:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


def taken(pid: int) -> float:
    """The processor's seconds of a process, which may have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def stage(home: Path) -> str:
    """Where a killed `repro run` was, as its folder tells."""
    if list(home.glob("packs/*/.*.unfinished")):
        return "packing"
    claims = list(home.glob("runs/*/*/claim.json"))
    if not claims:
        return "between runs" if list(home.glob("runs/*/*/result.json")) else "starting"
    return (
        "training or packing, nothing saved yet"
        if not list(claims[0].parent.glob("checkpoint/state.pt"))
        else "training or judging, checkpointed"
    )


def outcome(home: Path) -> dict[str, str]:
    """Everything that the runs left, without times: file → hash."""
    left = {}
    for path in sorted(home.glob("runs/*/*/*")):
        if path.name == "result.json":
            result = json.loads(path.read_text())
            content = json.dumps([[{**point, "seconds": 0} for point in result["checkpoints"]], result["files"], result["kept"]]).encode()
        elif path.suffix in (".npz", ".safetensors"):
            content = path.read_bytes()
        else:
            continue
        left[f"{path.parent.name}/{path.name}"] = hashlib.sha256(content).hexdigest()
    return left


def survive_runs(draw: random.Random, kills: int, folder: Path, expected: dict[str, str], seconds: float, told: Counter[str]) -> list[bool]:
    """Lives of `repro run` until so many kills are spent; of each, whether its outcome is the expected one."""
    same, life = [], 0
    while kills > 0:
        home, life = folder / f"life-{life}", life + 1
        home.mkdir()
        while kills > 0 and killed(home, ["-m", "repro", *RUN], draw.uniform(0.05, 0.95) * seconds):
            told[stage(home)] += 1
            kills -= 1
        through(home, ["-m", "repro", *RUN])
        same.append(outcome(home) == expected and not list(home.glob("runs/*/*/claim.json")))
        print(f"life {life}: {'as without kills' if same[-1] else 'OTHERWISE'}; {kills} kills left", file=sys.stderr, flush=True)
    return same


def survive_tables(draw: random.Random, kills: int, home: Path, expected: bytes, seconds: float, told: Counter[str]) -> list[bool]:
    """The table after each kill of the command that makes it and the index it reads."""
    same = []
    for _ in range(kills):
        (home / "runs" / NAME).unlink(missing_ok=True)
        told["table"] += killed(home, ["-m", "repro", *TABLE], draw.uniform(0.05, 0.95) * seconds)
        same.append(through(home, ["-m", "repro", *TABLE])[0] == expected)
    return same


def survive_fetches(draw: random.Random, kills: int, folder: Path, told: Counter[str]) -> list[bool]:
    """A file of 64 MiB from a server of this machine."""
    content = random.Random(0).randbytes(64 * MIB)
    (folder / "x.bin").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    same = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        words = ["-c", FETCH, f"http://127.0.0.1:{server.server_port}/x.bin", digest]
        seconds = through(folder, [*words, str(folder / "first")])[1]
        for number in range(kills):
            root = folder / f"fetched-{number}"
            told["fetching"] += killed(folder, [*words, str(root)], draw.uniform(0.3, 0.95) * seconds)
            through(folder, [*words, str(root)])
            same.append((root / "x.bin").read_bytes() == content and not list(root.glob("*.part*")))
        server.shutdown()
    return same


def survival(runs: int, tables: int, fetches: int, seed: int) -> tuple[Counter[str], list[bool]]:
    """After so many kills of each: where the program was, and of each life whether it ended as one without kills does."""
    draw, told = random.Random(seed), Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (home := folder / "undisturbed").mkdir()
        _, seconds = through(home, ["-m", "repro", *RUN])
        table, table_seconds = through(home, ["-m", "repro", *TABLE])
        same = survive_runs(draw, runs, folder, outcome(home), seconds, told)
        same += survive_tables(draw, tables, home, table, table_seconds, told)
        same += survive_fetches(draw, fetches, folder, told)
    return told, same


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    runs, tables = round(RUN_SHARE * options.kills), round(TABLE_SHARE * options.kills)
    told, same = survival(runs, tables, options.kills - runs - tables, options.seed)
    print("| killed while | times |\n|---|---:|")
    for name, times in told.most_common():
        print(f"| {name} | {times} |")
    print(f"\n{sum(told.values())} kills (seed {options.seed}), {len(same)} lives: {sum(same)} ended bit for bit as without kills")
    if not all(same):
        sys.exit(1)


if __name__ == "__main__":
    main()
