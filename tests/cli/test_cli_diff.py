"""`repro diff`, as a user types it."""

from __future__ import annotations

import json
import shutil

import fabricated


def test_diff_prints_what_differs_and_a_sentence(call, home_store):
    runs = [
        fabricated.finish(home_store, fabricated.run("ft", lr=lr), fabricated.checkpoint(id_test=value)).run
        for lr, value in ((0.5, 0.8), (0.25, 0.75))
    ]
    code, out, _ = call("diff", runs[0].key[:8], runs[1].key[:8])
    assert code == 0
    lines = out.splitlines()
    assert lines[:2] == [f"first       {runs[0].key}, at epoch-1", f"second      {runs[1].key}, at epoch-1"]
    assert lines[2:5] == ["recipe", f"  {'lr':<28} {'0.5':<24} 0.25", "numbers (accuracy, in %)"]
    assert "  id_test       80.00  75.00  -5.00" in lines
    assert lines[-1] == "they differ by a setting (lr 0.5 → 0.25): the numbers differ: 5 points at most (id_test)"
    found = json.loads(call("diff", runs[0].key, runs[1].key, "--json")[1])
    assert [(one["aspect"], one["name"], one["first"], one["second"]) for one in found["changes"]] == [("recipe", "lr", 0.5, 0.25)]
    assert found["verdict"] == lines[-1] and found["exact"] is False


def test_diff_of_a_run_in_another_store(call, home_store, tmp_path):
    run = fabricated.finish(home_store, fabricated.run("ft")).run
    shutil.copytree(home_store.root, tmp_path / "other")
    elsewhere = tmp_path / "other" / home_store.folder(run).relative_to(home_store.root)
    assert call("diff", run.key, elsewhere)[1].splitlines()[-1].startswith("identical: ")
    assert call("diff", run.key, run.key)[1].splitlines()[-1] == f"both are the same run, {run.key}"


def test_diff_of_what_has_no_result_is_a_mistake(mistake, home_store, tmp_path):
    done = fabricated.finish(home_store, fabricated.run("ft")).run
    begun, broken = fabricated.run("lp"), fabricated.run("scratch")
    home_store.claim(begun)
    home_store.fail(home_store.claim(broken), fabricated.failure(broken))
    assert mistake("diff", done.key, begun.key)[0].endswith("is not finished")
    what, why, cure = mistake("diff", broken.key, done.key)
    assert "failed" in what and why == "RuntimeError: made up" and cure == f"repro show {broken.key}"
    assert mistake("diff", done.key, tmp_path)[0] == f"{tmp_path} is not the folder of a run"
    assert mistake("diff", done.key, done.key, "--select", "id")[0] == "there is no selection rule 'id'"
