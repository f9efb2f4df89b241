"""Batches in pieces: every row once, whatever the threads, each of which computes on one core."""

from collections.abc import Iterator

import pytest
import torch

from repro.nn.inputs import pieces


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_every_row_is_made_once_and_no_piece_is_larger_than_allowed(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 100)
    out, seen = torch.zeros(20, 3), []

    def make(rows: slice, part: torch.Tensor) -> None:
        assert part.nbytes <= 100
        seen.append((rows.start, torch.get_num_threads()))
        part += torch.arange(20.0)[rows, None]

    pieces.fill(out, make)
    assert torch.equal(out, torch.arange(20.0)[:, None].expand(20, 3))
    assert sorted(seen) == [(0, 1), (8, 1), (16, 1)]
    assert torch.get_num_threads() == threads, "the caller's steps have all of them again"


def test_a_small_batch_is_one_piece_and_an_image_larger_than_a_piece_is_one_too(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    pieces.fill(torch.zeros(4, 100), lambda rows, part: made.append((rows, torch.get_num_threads())))
    assert made == [(slice(0, 4), threads)]
    made.clear()
    monkeypatch.setattr(pieces, "PIECE_BYTES", 100)
    pieces.fill(torch.zeros(2, 100), lambda rows, part: made.append(rows.start))
    assert sorted(made) == [0, 1]
    pieces.fill(torch.zeros(0, 100), lambda rows, part: made.append(rows.start))
    assert len(made) == 2


def test_what_goes_wrong_in_a_piece_is_raised(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 4)

    def make(rows: slice, part: torch.Tensor) -> None:
        if rows.start == 3:
            raise MemoryError("the third")

    with pytest.raises(MemoryError, match="the third"):
        pieces.fill(torch.zeros(5), make)
