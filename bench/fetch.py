"""Fetching, verifying, resuming and unpacking beside `curl`, `sha256sum` and `tar`: `python -m bench.fetch [--folder DIR]`."""

from __future__ import annotations

import argparse
import io
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from repro.data.fetch import fetch_file
from repro.data.manifest import File, Mirror
from repro.data.receipt import check_file
from repro.data.unpack import unpack

GIB = 1 << 30
SMALL_FILES = 50_000
SERVER = """
import re, socket, sys, threading
def answer(connection):
    head = connection.recv(65536).decode()
    asked = re.search(r"range: bytes=(\\d+)-", head, re.I)
    start, size = int(asked[1]) if asked else 0, {size}
    cut = {cut} if head.startswith("GET /cut") and not asked else size
    lines = [f"HTTP/1.1 {{'206 Partial' if asked else '200 OK'}}", f"Content-Length: {{size - start}}", "Connection: close"]
    lines += [f"Content-Range: bytes {{start}}-{{size - 1}}/{{size}}"] if asked else []
    connection.sendall(("\\r\\n".join(lines) + "\\r\\n\\r\\n").encode())
    with open({path!r}, "rb") as handle:
        try:
            print(connection.sendfile(handle, start, cut - start), flush=True)
        except OSError:
            pass
    connection.close()
listener = socket.create_server(("127.0.0.1", {port}))
while True:
    threading.Thread(target=answer, args=(listener.accept()[0],)).start()
"""


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ratios(pairs: int, ours: Callable[[int], object], theirs: Callable[[int], object]) -> tuple[float, float, float]:
    """Medians over `pairs` runs, ours and theirs by turns: our seconds, their seconds, and their ÷ our time of one pair."""
    times = []
    for pair in range(pairs):
        first, second = (ours, theirs) if pair % 2 else (theirs, ours)
        a, b = seconds(lambda first=first, pair=pair: first(pair)), seconds(lambda second=second, pair=pair: second(pair))
        times.append((a, b) if pair % 2 else (b, a))
    mine, other = (statistics.median(column) for column in zip(*times, strict=True))
    return mine, other, statistics.median(b / a for a, b in times)


def shell(command: str) -> None:
    subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_random(path: Path, size: int) -> None:
    block = random.Random(1).randbytes(1 << 24)
    with open(path, "wb") as handle:
        for _ in range(size // len(block)):
            handle.write(block)


def write_small_files(path: Path) -> None:
    """An archive like a folder of small photographs: 200 folders, 500 to 4,000 bytes a file."""
    draw = random.Random(2)
    with tarfile.open(path, "w") as tar:
        for number in range(SMALL_FILES):
            info = tarfile.TarInfo(f"set/{number % 200:03d}/{number:06d}.jpg")
            info.size = draw.randint(500, 4000)
            tar.addfile(info, io.BytesIO(draw.randbytes(info.size)))


def measure_transfer(folder: Path, size: int, pairs: int) -> list[tuple[str, str, str, str]]:
    source, port = folder / "source.bin", free_port()
    write_random(source, size)
    code = SERVER.format(path=str(source), port=port, size=size, cut=size * 6 // 10)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as server:
        try:
            return _measure_with(server, f"http://127.0.0.1:{port}", folder, size, pairs)
        finally:
            server.kill()


def _measure_with(server: subprocess.Popen, address: str, folder: Path, size: int, pairs: int) -> list[tuple[str, str, str, str]]:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", int(address.rpartition(":")[2]))) == 0:
                break
        time.sleep(0.05)
    file = File(name="x.bin", mirrors=(Mirror(url=f"{address}/x.bin"),), bytes=size)

    def ours(_: int) -> None:
        shutil.rmtree(folder / "ours", ignore_errors=True)
        fetch_file(file, folder / "ours")

    def theirs(_: int) -> None:
        (folder / "theirs.bin").unlink(missing_ok=True)
        shell(f"curl -s -o {folder}/theirs.bin {address}/x.bin && sha256sum {folder}/theirs.bin")

    mine, other, ratio = ratios(pairs, ours, theirs)
    rows = [(f"fetch {size >> 20:,} MiB, hashed", f"{mine:.2f} s", f"curl + sha256sum {other:.2f} s", f"{ratio:.2f} × its speed (≥ 0.85)")]
    (folder / "theirs.bin").unlink()
    mine, other, ratio = ratios(
        pairs, lambda _: check_file(file, folder / "ours", full=True), lambda _: shell(f"sha256sum {folder}/ours/x.bin")
    )
    rows.append((f"verify {size >> 20:,} MiB", f"{mine:.2f} s", f"sha256sum {other:.2f} s", f"{ratio:.2f} × its speed (≥ 0.8)"))
    shutil.rmtree(folder / "ours")
    for _ in range(2 * pairs):
        server.stdout.readline()
    fetch_file(File(name="x.bin", mirrors=(Mirror(url=f"{address}/cut.bin"),), bytes=size), folder / "ours")
    sent = sum(int(server.stdout.readline()) for _ in range(2))
    rows.append(("resume, cut at 60 %", f"{sent - size:,} bytes again", "", "of at most 16,777,216"))
    shutil.rmtree(folder / "ours")
    (folder / "source.bin").unlink()
    return rows


def measure_unpacking(folder: Path, pairs: int) -> tuple[str, str, str, str]:
    """Folders are kept to the end: ext4 is slow to reuse inodes freed in the last seconds, which would burden whoever comes second."""
    archive = folder / "small.tar"
    write_small_files(archive)

    def ours(pair: int) -> None:
        (folder / f"ours{pair}").mkdir()
        os.link(archive, folder / f"ours{pair}/small.tar")
        unpack(folder / f"ours{pair}/small.tar", folder / f"ours{pair}", "tar")

    def theirs(pair: int) -> None:
        (folder / f"tar{pair}").mkdir()
        shell(f"tar xf {archive} -C {folder}/tar{pair}")

    mine, other, ratio = ratios(pairs, ours, theirs)
    return (f"unpack {SMALL_FILES:,} files", f"{mine:.2f} s", f"tar {other:.2f} s", f"{1 / ratio:.2f} × its time (≤ 1.5)")


def hardware() -> str:
    name = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return f"{os.cpu_count()} cores, {name[1] if name else 'unknown processor'}, python {sys.version.split()[0]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="the disk to measure on; default: the temporary folder's")
    parser.add_argument("--mib", type=int, default=GIB >> 20, help="size of the transferred file")
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        rows = [*measure_transfer(folder, options.mib << 20, options.pairs), measure_unpacking(folder, options.pairs)]
    print(f"{hardware()}; medians of {options.pairs} pairs\n")
    print("| what | ours | theirs | ratio (target) |\n|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
