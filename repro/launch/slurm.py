"""Workers through Slurm, by submitit: one array job, whose tasks pull from the store on the shared disk.

A task starts the same worker processes as `--workers` does, one per GPU of its own. Before its time limit (and at a pre-emption that is
announced by SIGUSR2) the workers are asked to stop: each finishes the step in hand, checkpoints and gives its run back; then the task is
queued again. At SIGTERM – pre-emption without that announcement, `scancel`, a requeue by hand – they do the same, and the task waits for
what Slurm has decided. submitit keeps the call of a task as a pickle in the launch's folder, which nobody but that task reads.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from repro.errors import UserError
from repro.launch import launches
from repro.launch.devices import parse
from repro.launch.launches import Launch
from repro.launch.local import COMMAND, REPLACED
from repro.launch.worker import DONE, MISTAKE, STOPPED
from repro.paths import Places
from repro.planning.plan import Plan

if TYPE_CHECKING:
    from submitit.core.utils import DelayedSubmission

MOST_TASKS = 1000  # of an array, by Slurm's default MaxArraySize
MINUTES = 240  # of a task, where no time is asked for
REQUEUES = 10_000  # at time limits; each got something done, or its run fails by itself
WARNING_SECONDS = 120  # between the announcement and the end
POLL_SECONDS = 0.5


class Asked(NamedTuple):
    """What is asked of Slurm for each task of the array."""

    partition: str | None = None
    gpus: int | None = None
    minutes: int = MINUTES
    array_limit: int | None = None
    more: tuple[tuple[str, str], ...] = ()
    workers: int | None = None

    @classmethod
    def parse(
        cls, partition: str | None, gpus: int | None, time: str | None, array_limit: int | None, more: Sequence[str], workers: str | None
    ) -> Asked:
        """From the words of the command line; what could become another line of the submission is refused."""
        for name, number in (("--gpus", gpus), ("--array-limit", array_limit)):
            if number is not None and number < 1:
                raise UserError(
                    f"{name} {number}: not a number of at least 1", "leave it out where none are wanted", f"for example {name} 1"
                )
        settings = tuple(_setting(text) for text in more)
        if partition is not None and not re.fullmatch(r"[\w.,-]+", partition):
            raise UserError(f"--partition {partition!r} is not the name of a partition", "sinfo lists them", "sinfo --summarize")
        return cls(partition, gpus, minutes_of(time) if time else MINUTES, array_limit, settings, parse(workers) if workers else None)


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[a-z][a-z-]*", key) or not value.isprintable() or not value:
        raise UserError(
            f"--set-slurm {text!r}: not KEY=VALUE",
            "KEY is a long option of sbatch without its dashes",
            "for example --set-slurm account=lab",
        )
    return key, value


def minutes_of(text: str) -> int:
    """Slurm's spellings of a time: minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS; rounded up."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text)
    if found is None:
        raise UserError(f"--time {text!r} is not a time", "minutes, HH:MM:SS, or D-HH:MM:SS", "for example --time 4:00:00")
    days, *rest = found.groups()
    parts = [int(part) for part in rest if part is not None]
    if days is not None:
        hours, minutes, seconds = [*parts, 0, 0][:3]
    elif len(parts) == 3:
        hours, minutes, seconds = parts
    else:
        hours, minutes, seconds = 0, *[*parts, 0][:2]
    return max(1, math.ceil(int(days or 0) * 1440 + hours * 60 + minutes + seconds / 60))


def submit(plans: Sequence[Plan], todo: int, places: Places, device: str, asked: Asked) -> Launch:
    """Queue one array job for `todo` runs; the launch, which knows the job's number. Nothing is waited for."""
    _require()
    import submitit

    tasks = min(asked.workers or todo, todo, MOST_TASKS)
    launch = launches.create(plans, places, tasks * (asked.gpus or 1), device)
    executor = submitit.SlurmExecutor(folder=launch.folder / "slurm", max_num_timeout=REQUEUES)
    more = dict(asked.more)
    executor.update_parameters(
        job_name="repro",
        time=asked.minutes,
        signal_delay_s=WARNING_SECONDS,
        array_parallelism=min(asked.array_limit or tasks, tasks),
        setup=['[ -z "$SLURM_CPUS_PER_TASK" ] || export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"'],  # srun takes it over no more
        **{name: value for name, value in (("partition", asked.partition), ("gpus_per_node", asked.gpus)) if value is not None},
        **({"additional_parameters": more} if more else {}),
    )
    task = Task(str(launch.folder), device, asked.gpus or 1)
    try:
        jobs = executor.map_array(task, list(range(tasks)))
    except (submitit.core.utils.FailedJobError, submitit.core.utils.FailedSubmissionError, subprocess.SubprocessError) as error:
        shutil.rmtree(launch.folder)
        said = [line for line in str(error).splitlines() if "error" in line.lower()]
        raise UserError(
            "Slurm refuses the job", (said or str(error).splitlines() or ["it said nothing"])[-1], "sinfo lists the partitions"
        ) from None
    launch = launch.model_copy(update={"slurm_job": jobs[0].job_id.partition("_")[0]})
    launch.save()
    return launch


def _require() -> None:
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise UserError(
            "Slurm is reached through submitit, which is not installed", "it is an extra", "pip install 'repro[slurm]'"
        ) from None
    for name in ("sbatch", "srun"):
        if shutil.which(name) is None:
            raise UserError(f"there is no {name} here", "jobs are submitted on a machine of the cluster", "--workers auto, not --slurm")


class Task:
    """What a task of the array does: worker processes, watched until they end."""

    def __init__(self, folder: str, device: str, count: int):
        self.folder, self.device, self.count = folder, device, count
        self.processes: dict[int, subprocess.Popen] = {}

    def __call__(self, index: int) -> str:
        launch = launches.read(Path(self.folder))
        signal.signal(signal.SIGTERM, lambda number, frame: self.stop())
        replaced = dict.fromkeys(range(self.count), 0)
        for number in replaced:
            self.start(launch, index, number)
        while self.processes:
            time.sleep(POLL_SECONDS)
            for number, process in list(self.processes.items()):
                status = process.poll()
                if status is None:
                    continue
                del self.processes[number]
                if status == STOPPED and not launch.cancelled:
                    self.await_the_end()
                if status == MISTAKE:
                    raise RuntimeError(f"a mistake that {launch.log_of(_name(index, number))} explains")
                if status not in (DONE, STOPPED):
                    print(f"worker {number} ended with {status}", flush=True)
                    if (replaced := {**replaced, number: replaced[number] + 1})[number] > REPLACED:
                        raise RuntimeError(f"its worker crashes again and again: see {launch.log_of(_name(index, number))}")
                    self.start(launch, index, number)
        return "cancelled" if launch.cancelled else "nothing is left to do"

    def start(self, launch: Launch, index: int, number: int) -> None:
        granted = os.environ.get("SLURM_CPUS_PER_TASK") or os.environ.get("SLURM_CPUS_ON_NODE") or "1"
        threads = str(max(1, int(granted) // self.count)) if granted.isdigit() else "1"
        device = f"cuda:{number}" if self.count > 1 else self.device
        words = [*COMMAND, str(launch.folder), _name(index, number), device]
        with _blocked(signal.SIGUSR1, signal.SIGUSR2):  # Slurm announces the end to all processes; the worker is told by this one
            self.processes[number] = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
            )

    def stop(self) -> None:
        for process in list(self.processes.values()):
            with contextlib.suppress(ProcessLookupError):
                process.terminate()

    def checkpoint(self, index: int) -> DelayedSubmission | None:
        """submitit's word that the end is near: the workers stop, and the task is what will be queued again; None: it was cancelled."""
        from submitit.core.utils import DelayedSubmission

        self.stop()
        for process in list(self.processes.values()):
            _await(process.pid)
        if launches.read(Path(self.folder)).cancelled:
            return None
        return DelayedSubmission(Task(self.folder, self.device, self.count), index)

    def await_the_end(self) -> None:
        """Slurm sent SIGTERM: it cancels the job or queues it again, whichever it was; to end now would be to have finished."""
        while True:
            time.sleep(POLL_SECONDS)


def _name(index: int, number: int) -> str:
    return f"{index}.{number}"


@contextlib.contextmanager
def _blocked(*signals: int) -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _await(pid: int) -> None:
    """Until the child has ended; without taking its status, which the interrupted main loop may be about to do."""
    deadline = time.monotonic() + WARNING_SECONDS
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < deadline and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            time.sleep(0.05)


def queue_of(job: str) -> list[tuple[str, str, str]] | None:
    """(task, state, reason) of a job's tasks that are queued or running; None where Slurm cannot be asked."""
    if shutil.which("squeue") is None:
        return None
    words = ["squeue", "--noheader", "--array", f"--jobs={job}", "--format=%i|%T|%r"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return [] if "Invalid job id" in done.stderr else None
    return [tuple(line.split("|", 2)) for line in done.stdout.splitlines() if line.count("|") >= 2]


def cancel(launch: Launch) -> None:
    """End the job; its workers checkpoint first."""
    launch.cancel()
    try:
        done = subprocess.run(["scancel", launch.slurm_job], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(
            f"job {launch.slurm_job} could not be cancelled", str(error), f"scancel {launch.slurm_job}, on the cluster"
        ) from None
    if done.returncode and "Invalid job id" not in done.stderr:
        raise UserError(
            f"job {launch.slurm_job} could not be cancelled", done.stderr.strip(), f"scancel {launch.slurm_job}, on the cluster"
        )
