"""Manifests of small files on a local server, a place for everything, and a benchmark that needs them."""

from __future__ import annotations

import hashlib
import os
import types
from pathlib import Path

from repro import paths, plugins
from repro.paths import Places
from repro.types import Benchmark, Split

PROXIES = [spelled for name in ("http_proxy", "https_proxy", "all_proxy", "HF_TOKEN") for spelled in (name, name.upper())]


def write_manifest(folder: Path, name: str, content: bytes, *urls: str, kind: str = "dataset", extra: str = "", facts: str = "") -> None:
    """A manifest of one file x.bin; `facts` are further lines of the file, `extra` of the manifest."""
    mirrors = ", ".join(f'{{ url = "{url}" }}' for url in urls)
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.toml").write_text(f"""
name = "{name}"
kind = "{kind}"
title = "{name}"
caption = "a small one"
{extra}
[[files]]
name = "x.bin"
mirrors = [{mirrors}]
{facts or f'bytes = {len(content)}{chr(10)}sha256 = "{hashlib.sha256(content).hexdigest()}"'}
""")


def use(monkeypatch, tmp_path: Path) -> Places:
    """Read manifests from tmp_path/manifests, keep everything below tmp_path/home; no proxy, no settings of this machine."""
    monkeypatch.setattr(paths, "manifests_dir", lambda: tmp_path / "manifests")
    (tmp_path / "manifests").mkdir(exist_ok=True)
    for name in [*PROXIES, "REPRO_HOME", "REPRO_DATA", "REPRO_PACKS", "REPRO_RUNS"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REPRO_CONFIG", str(tmp_path / "none.toml"))
    return Places.find(home=tmp_path / "home")


def offer_benchmark(monkeypatch, needs: tuple[str, ...], **fields) -> None:
    """Make `plugins` know the benchmark "toy" with those needs."""

    def describe(options, places, tiny=False):
        return Benchmark(
            name="toy",
            version=1,
            caption="toy",
            title="toy: a → b",
            splits=(
                Split(name="train", role="train"),
                Split(name="id_val", role="id_val"),
                Split(name="id_test", role="id_test", column="ID"),
            ),
            classes=("a", "b"),
            data="0" * 64,
            needs=needs,
            **{"backbone": "timm:resnet18", "methods": ("scratch",), **fields},
        )

    known = plugins.benchmark
    toy = types.SimpleNamespace(describe=describe)
    monkeypatch.setattr(plugins, "benchmark", lambda name: toy if name == "toy" else known(name))


def free_bytes(monkeypatch, count: int) -> None:
    """Let every disk have `count` bytes left."""
    real = os.statvfs
    fields = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_favail", "f_flag", "f_namemax")

    def statvfs(path):
        seen = {name: getattr(real(path), name) for name in fields}
        seen |= {"f_frsize": 1, "f_bavail": count, "f_bfree": count}
        return os.statvfs_result([seen[name] for name in fields])

    monkeypatch.setattr(os, "statvfs", statvfs)
