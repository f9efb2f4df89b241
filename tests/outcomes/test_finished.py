"""Finished runs by key or folder, their parents, the checkpoint that is reported."""

import fabricated

from repro.outcomes import finished
from repro.outcomes.finished import Finished


def test_parents_are_those_that_are_in_the_store(home_store):
    probe = fabricated.finish(home_store, fabricated.run("lp"))
    child = fabricated.finish(home_store, fabricated.run("lp-ft", parents={"head": probe.key}))
    run = finished.find(home_store, child.key[:8])
    assert run.result == child and run.parents() == {"head": Finished(probe, home_store.folder(probe.run))}  # backbone's is nowhere
    assert finished.find(home_store, str(home_store.folder(child.run))) == run and run.store.root == home_store.root


def test_a_rule_that_cannot_be_followed_falls_back_on_the_last(home_store):
    points = [fabricated.checkpoint("epoch-1", id_val=0.9), fabricated.checkpoint("epoch-2")]
    judged = fabricated.finish(home_store, fabricated.run("ft"), *points)
    stage = fabricated.finish(home_store, fabricated.run("lp"), *(point.model_copy(update={"metrics": {}}) for point in points))
    both = [Finished(result, home_store.folder(result.run)) for result in (judged, stage)]
    assert finished.applicable(judged) == ("id_val", "last", "oracle") and finished.applicable(stage) == ("last",)
    assert [run.reported().name for run in both] == ["epoch-1", "epoch-2"]
    assert [run.reported("ood_val").name for run in both] == ["epoch-2", "epoch-2"]  # there is no such split
