"""How many workers, where, and with how many threads."""

from __future__ import annotations

import fabricated
import pytest

from repro.errors import UserError
from repro.launch import devices
from repro.launch.devices import MOST_PER_GPU, Seat, parse, seats
from repro.outcomes.store import Store

GIB = 1 << 30


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def machine(monkeypatch):
    def make(gpus: tuple[float, ...] = (), cores: int = 8, room: float = 100) -> None:
        monkeypatch.setattr(devices, "free_of_gpus", lambda: [int(free * GIB) for free in gpus])
        monkeypatch.setattr(devices, "cores", lambda: cores)
        monkeypatch.setattr(devices, "free_of_machine", lambda: int(room * GIB))

    return make


RUNS = [fabricated.run("scratch", seed) for seed in range(20)]


def remember(store, gib: float) -> None:
    fabricated.finish(store, fabricated.run("scratch", 99), peak_memory_bytes=int(gib * GIB))


def test_one_per_gpu(store, machine):
    machine(gpus=(70, 70), cores=8)
    assert seats(None, "auto", RUNS, store) == [Seat("cuda:0", 4), Seat("cuda:1", 4)]
    assert seats(3, "auto", RUNS, store) == [Seat("cuda:0", 2), Seat("cuda:1", 2), Seat("cuda:0", 2)]
    assert seats(None, "auto", RUNS[:1], store) == [Seat("cuda:0", 8)], "no more than runs"
    assert seats(None, "cuda:1", RUNS, store) == [Seat("cuda:1", 8)]


@pytest.mark.parametrize(("free", "peak", "each"), [(40, 17, 2), (40, 18, 1), (40, 39, 1), (80, 1, MOST_PER_GPU)])
def test_several_per_gpu_where_earlier_runs_show_that_they_fit(store, machine, free, peak, each):
    """A share of 0.9 of the fuller GPU is divided by the peak and a GiB of CUDA's own."""
    machine(gpus=(80, free))
    remember(store, peak)
    assert len(seats(None, "auto", RUNS, store)) == 2 * each


def test_without_a_gpu_one_per_core_sharing_the_threads(store, machine):
    machine(cores=8)
    assert seats(None, "auto", RUNS, store) == [Seat("cpu", 1)] * 8
    assert seats(3, "auto", RUNS, store) == [Seat("cpu", 2)] * 3
    assert seats(16, "cpu", RUNS, store) == [Seat("cpu", 1)] * 16
    assert seats(None, "auto", RUNS[:2], store) == [Seat("cpu", 4)] * 2


def test_fewer_than_cores_where_memory_is_short(store, machine):
    machine(cores=8, room=10)
    remember(store, 3)
    assert len(seats(None, "cpu", RUNS, store)) == 3


@pytest.mark.parametrize("granted", [("3", 3), ("0", None), ("x", None), ("", None)])
def test_threads_that_the_environment_grants(monkeypatch, granted):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    usable = devices.cores()
    monkeypatch.setenv("OMP_NUM_THREADS", granted[0])
    assert devices.cores() == (granted[1] or usable)


def test_words():
    assert parse("auto") is None and parse("12") == 12
    for text in ("0", "-1", "many", "1.5", "1001", ""):
        with pytest.raises(UserError, match="--workers"):
            parse(text)
