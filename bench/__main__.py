"""Ratios of the program's speed to that of plain code, measured in one run: `python -m bench [CASE …] [--device cpu|cuda]`.

A case is a file of bench/speed/. With all of them the figures are kept in bench/speed-<device>.{json,md}; single cases are only printed.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

import torch

from bench import ratios
from repro.nn.allocator import keep_freed_memory
from repro.run import find_device


def main() -> None:
    cases = sorted(path.stem for path in (Path(__file__).parent / "speed").glob("[a-z]*.py"))
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("case", nargs="*", metavar="CASE", help=f"of {', '.join(cases)}; none: all")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    asked = parser.parse_args()
    if unknown := [name for name in asked.case if name not in cases]:
        parser.error(f"no case {unknown[0]}: there are {', '.join(cases)}")
    device = find_device(asked.device)
    keep_freed_memory()
    found: list[ratios.Ratio] = []
    for name in asked.case or cases:
        print(f"{name} …", flush=True)
        for one in importlib.import_module(f"bench.speed.{name}").measure(device):
            found.append(one)
            print(ratios.as_markdown([one], device).split("\n", 4)[4], flush=True)
    if not asked.case:
        torch.cuda.synchronize() if device.type == "cuda" else None
        print("written:", *ratios.write(found, device))


if __name__ == "__main__":
    main()
