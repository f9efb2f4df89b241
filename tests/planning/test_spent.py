"""What a finished run spent, by hand."""

from __future__ import annotations

import fabricated

from repro.planning.spent import LATEST, Spent, latest, manner, network, saves, trains
from repro.types import BackboneRef


def test_the_parts_of_a_run():
    made = fabricated.result(fabricated.run(), seconds={"total": 10.0, "fit": 6.0, "judge": 2.0, "pack": 1.5})
    assert Spent.of(made) == Spent(made, 6.0, 2.0, 0.5)
    whole = fabricated.result(fabricated.run(), seconds={"total": 10.0})
    assert Spent.of(whole) == Spent(whole, 10.0, 0.0, 0.0) and Spent.of(whole).run == fabricated.run()


def test_the_latest_of_several_groups():
    made = [Spent.of(fabricated.result(fabricated.run(), finished=f"2026-01-0{day}T00:00:00+00:00")) for day in range(1, 8)]
    assert latest([made[4:], made[:4]]) == made[-LATEST:] and latest([]) == []


def test_how_much_of_the_network_is_trained():
    methods = ("ft", "bn-only", "lp-sgd", "flyp", "zero-shot", "lp", "wise-ft", "autoft-search")
    assert [trains(fabricated.run(method)) for method in methods] == [
        *("image tower", "image tower", "head", "both towers", "nothing", "nothing", "nothing", "image tower")
    ]


def test_how_often_a_state_is_written():
    runs = [fabricated.run(epochs=7), fabricated.run("lp"), fabricated.run("wise-ft", alphas=(0.0, 1.0)), fabricated.run("zero-shot")]
    assert [saves(run) for run in runs] == [7, 1, 2, 1]


def test_what_decides_about_the_cost_of_an_image():
    run = fabricated.run()
    assert network(run) == network(fabricated.run("lp", lr=0.5, image_size=32)), "32 pixels are its own side"
    changed = [
        fabricated.run(image_size=64),
        fabricated.run(precision="bf16"),
        run.model_copy(update={"backbone": BackboneRef(name="timm:resnet18")}),
    ]
    assert len({network(run), *map(network, changed)}) == 4
    assert manner(run) == manner(fabricated.run(lr=0.5)) != manner(fabricated.run(batch_size=7))
