"""A real Slurm on this machine: one array job, pre-emption, cancellation; nothing runs twice, nothing is lost."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import hooked
import pytest
import slurm_cluster
import tiny_digits

from repro.launch import launches
from repro.outcomes.store import Store

pytestmark = [
    pytest.mark.skipif(slurm_cluster.absent() is not None, reason=f"no Slurm: {slurm_cluster.absent()}"),
    pytest.mark.xdist_group("slurm"),
]
WAIT_SECONDS = 90


@pytest.fixture(scope="module")
def cluster():
    with slurm_cluster.running() as found:
        yield found


@pytest.fixture
def repro(cluster, tmp_path):
    """Run the program on the cluster; `how` is what its empty runs do."""

    def call(*words: str, code: int = 0, path: str | None = None, **how) -> subprocess.CompletedProcess:
        environment = {**cluster.environment, "REPRO_HOME": str(tmp_path), "REPRO_CONFIG": str(tmp_path / "none.toml")}
        environment |= {"PYTHONPATH": path or hooked.without_work(tmp_path / "hook"), "NOOP": json.dumps(how), "COLUMNS": "200"}
        done = subprocess.run(
            [sys.executable, "-m", "repro", *words], env=environment, capture_output=True, text=True, timeout=WAIT_SECONDS
        )
        assert done.returncode == code, done.stderr + done.stdout
        return done

    return call


def until(holds, what: str, cluster) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"{what} never came: {cluster.jobs('%i %T %r')}"
        time.sleep(0.1)


def worked(launch) -> Counter:
    labels = {run.key: run.label for plan in launch.plans() for run in plan.runs}
    return Counter(labels[key] for path in launch.folder.glob("worked-*") for key in path.read_text().split())


def only_launch(home: Path):
    (launch,) = launches.every(home / "runs")
    return launch


SCRATCH = ("run", "digits", "--tiny", "-m", "scratch", "--device", "cpu", "--slurm")


def test_one_array_job_does_every_run_once(repro, cluster, tmp_path):
    began = len(cluster.jobs())
    said = repro(*SCRATCH, "--seeds", "12", "--workers", "3", "--partition", "debug", "--time", "10", pause=0.2).stdout
    launch = only_launch(tmp_path)
    assert f"submitted: job {launch.slurm_job}, 3 workers for 12 runs" in said
    tasks = [line.split()[0] for line in cluster.jobs("%i")][began:]
    assert {task.partition("_")[0] for task in tasks} <= {launch.slurm_job}
    until(lambda: not cluster.jobs(), "the end", cluster)
    plan = launch.plans()[0]
    assert worked(launch) == Counter({run.label: 1 for run in plan.runs})
    assert all(Store(tmp_path / "runs").result(run) for run in plan.runs)
    assert "12 done" in repro("status").stdout
    key = plan.runs[5].key
    assert f"{key} started" in repro("logs", key).stdout and f"{key} finished" in repro("logs", key).stdout
    assert "0 runs to do" in repro(*SCRATCH, "--seeds", "12").stdout, "and nothing is submitted"
    assert not cluster.jobs()


def test_status_while_it_runs_and_cancel(repro, cluster, tmp_path):
    repro(*SCRATCH, "--seeds", "9", "--workers", "6", "--array-limit", "2", "--set-slurm", "comment=two at a time", pause=60)
    store = Store(tmp_path / "runs")
    runs = only_launch(tmp_path).plans()[0].runs
    until(lambda: sum(store.progress(store.folder(run)) is not None for run in runs) == 2, "two running runs", cluster)
    shown = json.loads(repro("status", "--json").stdout)
    assert shown["launches"][0]["queue"] == {"RUNNING": 2, "PENDING": 4}
    assert shown["launches"][0]["states"] == {"running": 2, "waiting": 7}
    assert all(one["progress"]["total"] == 6000 and one["heard"] < 60 for one in shown["running"]) and len(shown["running"]) == 2
    text = repro("status").stdout
    assert re.search(r"queue: 4 pending, 2 running", text) and text.count("  running  ") == 2
    assert "two at a time" in cluster.call("squeue", "--noheader", "--format=%k")
    assert "cancelled" in repro("cancel").stdout
    until(lambda: not cluster.jobs(), "the end of a cancelled job", cluster)
    assert not list(tmp_path.rglob("claim.json")), "what was begun is given back"
    assert "nothing is under way" in repro("cancel", code=2).stderr


@pytest.mark.parametrize("how", ["announced", "requeued", "time limit"])
def test_a_pre_empted_task_checkpoints_and_comes_back(repro, cluster, tmp_path, how):
    """By SIGUSR2, as it is sent by hand and by Slurm before the time limit, and by SIGTERM, as at a pre-emption: the same bits as undisturbed."""
    sets = ("epochs=3", "batch_size=10")
    plan = tiny_digits.plan("scratch", sets=sets)
    undisturbed = tiny_digits.places_at(tmp_path / "undisturbed")
    assert tiny_digits.execute(plan, undisturbed, tiny_digits.CPU, tiny_digits.Log()) == []
    limited = how == "time limit"
    time_asked, pause = ("1", 2.0) if limited else ("10", 0.3)  # a minute is the least that Slurm knows
    words = (*SCRATCH, "--seeds", "1", "--time", time_asked, *(part for text in sets for part in ("--set", text)))
    repro(*words, path=hooked.slowly(tmp_path / "hook", pause, "\nWARNING_SECONDS = 5" if limited else ""))
    launch, store, run = only_launch(tmp_path), Store(tmp_path / "runs"), plan.runs[0]
    state, log = store.folder(run) / "checkpoint" / "state.pt", launch.log_of("0.0")
    if not limited:
        until(state.exists, "a checkpoint", cluster)
        assert store.result(run) is None
        signal = ("scancel", "--signal=USR2") if how == "announced" else ("scontrol", "requeue")
        cluster.call(*signal, launch.slurm_job)
    until(lambda: log.exists() and "stopped by a signal" in log.read_text(), "the checkpoint", cluster)
    assert store.result(run) is None and state.exists() and not (store.folder(run) / "claim.json").exists()
    until(lambda: "BeginTime" in "".join(cluster.jobs("%r")), "the task queued again", cluster)
    hooked.slowly(tmp_path / "hook", 0.0)
    time.sleep(2)  # one that starts before the node has forgotten its first life is lost by this Slurm
    # Slurm lets such a job wait for two minutes
    cluster.call("scontrol", "update", f"JobId={launch.slurm_job}", "StartTime=now", "TimeLimit=10")
    until(lambda: store.result(run) is not None, "the result", cluster)
    until(lambda: not cluster.jobs(), "the end", cluster)
    assert log.read_text().count("started") == 2 and log.read_text().count("finished") == 1
    assert tiny_digits.bytes_of(tiny_digits.places_at(tmp_path), run) == tiny_digits.bytes_of(undisturbed, run)


def test_one_run_over_two_processes_of_a_job(cluster, tmp_path):
    """As the README has it: checkpointed at the signal before the time limit, and the same job again goes on."""
    sets = ("epochs=4", "batch_size=50")
    run = tiny_digits.plan("scratch", sets=sets).runs[0]
    store = Store(tiny_digits.pretrained_home(tmp_path / "home").runs)
    state = store.folder(run) / "checkpoint" / "state.pt"
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "repro", *SCRATCH[:-1])
    words = (*torchrun, "--seeds", "1", *(part for text in sets for part in ("--set", text)))

    def submit(path: str) -> None:
        environment = {"REPRO_HOME": str(tmp_path / "home"), "REPRO_CONFIG": "none", "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
        exports = ",".join(["ALL", *(f"{name}={value}" for name, value in environment.items())])
        job = cluster.call(
            "sbatch", "--parsable", f"--export={exports}", f"--output={tmp_path}/said", "--wrap", shlex.join(["srun", *words])
        )
        jobs.append(job.strip())

    jobs: list[str] = []
    submit(hooked.slowly(tmp_path / "hook", 1.0))
    until(state.exists, "a checkpoint", cluster)
    cluster.call("scancel", "--signal=TERM", jobs[0])  # to the step, as --signal=TERM@60 does
    until(lambda: not cluster.jobs(), "the end of the first job", cluster)
    assert store.result(run) is None and not (store.folder(run) / "claim.json").exists()
    assert (tmp_path / "said").read_text().count("interrupted: nothing is lost, the same command continues") == 1
    submit(str(hooked.ROOT))
    until(lambda: not cluster.jobs(), "the end", cluster)
    result = store.result(run)
    assert result and result.environment["processes"] == 2 and result.checkpoints[-1].step == 8, (tmp_path / "said").read_text()


def test_a_dead_worker_and_a_failed_run(repro, cluster, tmp_path):
    repro(*SCRATCH, "--seeds", "6", "--workers", "2", die=["scratch seed 1"], fail=["scratch seed 2"])
    until(lambda: not cluster.jobs(), "the end", cluster)
    launch = only_launch(tmp_path)
    assert worked(launch) == Counter({f"scratch seed {seed}": 1 + (seed == 1) for seed in range(6)})
    shown = repro("status").stdout
    assert "5 done, 1 failed" in shown and "scratch seed 2" in shown and "ArithmeticError: made to fail" in shown
    failed = next(run for run in launch.plans()[0].runs if run.seed == 2)
    assert "ArithmeticError: made to fail" in repro("logs", failed.key[:6]).stdout


def test_what_slurm_refuses_is_one_error(repro, cluster, tmp_path):
    told = repro(*SCRATCH, "--partition", "nowhere", code=2).stderr
    assert "Slurm refuses the job" in told and "nowhere" in told and "Traceback" not in told
    assert launches.every(tmp_path / "runs") == [] and not cluster.jobs()


def test_five_hundred_runs_are_one_submission(repro, cluster, tmp_path):
    cluster.call("scontrol", "update", "PartitionName=debug", "State=DOWN")
    try:
        repro(*SCRATCH, "--seeds", "500")
        launch = only_launch(tmp_path)
        assert launch.workers == 500
        assert sorted({line.partition("_")[0] for line in cluster.jobs("%i")}) == [launch.slurm_job]
        assert len(cluster.jobs()) == 500
        assert "cancelled" in repro("cancel").stdout
    finally:
        cluster.call("scontrol", "update", "PartitionName=debug", "State=UP")
    assert os.path.exists(launch.folder / "cancelled")
