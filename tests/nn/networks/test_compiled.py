"""torch.compile: the same training within rounding; what cannot be compiled is trained as it is, and said so."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_digits
import torch

from repro.nn.networks import compiled
from repro.paths import Places


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return tiny_digits.pretrained_home(tmp_path_factory.mktemp("compiled"))


def fit(places: Places, folder: Path) -> tuple[str | None, list[float]]:
    job = tiny_digits.job_of(tiny_digits.plan("ft", sets=("batch_size=50", "epochs=1", "lr=1e-4")), "ft", places)
    _, losses = tiny_digits.fit(job, folder)
    return job.extras.get("compiled"), losses


def test_what_is_compiled_trains_alike_and_what_is_not_trains_as_before(places: Places, tmp_path: Path, monkeypatch) -> None:
    plain = fit(places, tmp_path / "plain")
    assert plain[0] is None and len(plain[1]) == 2
    monkeypatch.setenv("REPRO_COMPILE", "1")
    monkeypatch.setattr(compiled, "BACKEND", "aot_eager")  # traced and differentiated ahead of time, without a C++ compiler
    said, losses = fit(places, tmp_path / "compiled")
    assert said == "yes" and losses == pytest.approx(plain[1], rel=1e-3)

    def broken(graph, examples):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(compiled, "BACKEND", broken)
    said, losses = fit(places, tmp_path / "broken")
    assert said.startswith("no: ") and "no such kernel" in said and losses == plain[1], "bit by bit"


def test_trying_leaves_statistics_and_chance_as_they_were(monkeypatch) -> None:
    monkeypatch.setattr(compiled, "BACKEND", "aot_eager")
    tower = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Dropout(0.5)).train()
    before = {name: buffer.clone() for name, buffer in tower.named_buffers()}
    chance = torch.get_rng_state()
    assert compiled.compile_tower(tower, torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))) == "yes"
    assert all(torch.equal(buffer, before[name]) for name, buffer in tower.named_buffers())
    assert torch.equal(torch.get_rng_state(), chance)


@pytest.mark.parametrize(("value", "meant"), [("", False), ("0", False), ("1", True)])
def test_it_is_asked_for_by_a_variable(monkeypatch: pytest.MonkeyPatch, value: str, meant: bool) -> None:
    monkeypatch.setenv("REPRO_COMPILE", value)
    assert compiled.wanted() is meant
