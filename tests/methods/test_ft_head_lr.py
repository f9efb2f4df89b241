"""A tenfold learning rate for the head: one step moves the head ten times as far as fine-tuning's, and the backbone alike."""

from pathlib import Path

import tiny_digits
import torch

from repro.methods import ft


def test_the_head_moves_ten_times_as_far(tmp_path: Path) -> None:
    places, sets = tiny_digits.pretrained_home(tmp_path), ("batch_size=100", "epochs=1", "lr=1e-3")
    jobs = {name: tiny_digits.job_of(tiny_digits.plan(name, sets=sets), name, places) for name in ("ft", "ft-head-lr")}
    start = ft.start(jobs["ft"]).double().state_dict()
    moved = {}
    for name, job in jobs.items():
        after = tiny_digits.fit(job, tmp_path / name)[0].model.double().state_dict()
        moved[name] = {key: after[key] - start[key] for key in start}
    for key, far in moved["ft-head-lr"].items():
        if key.startswith("head."):
            assert torch.allclose(far, 10 * moved["ft"][key], rtol=1e-2, atol=1e-6) and far.abs().max() > 1e-5, key
        else:
            assert torch.equal(far, moved["ft"][key]), key
