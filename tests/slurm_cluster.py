"""A real Slurm on one node, for tests: munged, slurmctld and slurmd with everything below one folder, ended by their process numbers."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
STARTED_SECONDS = 60


def absent() -> str | None:
    """Why there can be no Slurm here; None where there can."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    lacking = [name for name in (*DAEMONS, "sbatch", "squeue", "srun", "scontrol") if shutil.which(name, path=path) is None]
    if lacking:
        return f"{', '.join(lacking)} are not installed (apt-get install slurm-wlm munge)"
    return None if os.geteuid() == 0 else "starting slurmd takes root"


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _configuration(root: Path, cpus: int) -> str:
    host = socket.gethostname().partition(".")[0]
    control, node = _free_ports(2)
    return f"""
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={control}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,batch_sched_delay=0,bf_interval=2,requeue_delay=1
ReturnToService=2
KillWait=5
MinJobAge=300
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=debug Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


class Cluster:
    """`environment` is what a command needs to talk to it."""

    def __init__(self, root: Path, environment: dict[str, str]):
        self.root, self.environment = root, environment

    def call(self, *words: str) -> str:
        """The output of one of Slurm's commands."""
        return subprocess.run(words, env=self.environment, capture_output=True, text=True, check=True, timeout=60).stdout

    def jobs(self, form: str = "%i %T") -> list[str]:
        return self.call("squeue", "--noheader", "--array", f"--format={form}").splitlines()


@contextlib.contextmanager
def running(cpus: int = 4) -> Iterator[Cluster]:
    """A cluster of one node that says it has `cpus` processors."""
    root = Path(tempfile.mkdtemp(prefix="repro-slurm-"))
    path = f"/usr/sbin:/usr/local/sbin:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "SLURM_CONF": str(root / "slurm.conf")}
    processes: list[subprocess.Popen] = []
    try:
        for name in ("state", "spool"):
            (root / name).mkdir()
        (root / "munge.key").write_bytes(os.urandom(1024))
        for secret in (root, root / "munge.key"):
            secret.chmod(0o700 if secret == root else 0o400)
        root.chmod(0o755)  # munge wants that nobody else writes, and that everybody can reach its socket
        (root / "slurm.conf").write_text(_configuration(root, cpus))
        (root / "cgroup.conf").write_text("CgroupAutomount=no\n")
        files = {
            "socket": "munge.socket",
            "pid-file": "munge.pid",
            "log-file": "munge.log",
            "seed-file": "munge.seed",
            "key-file": "munge.key",
        }
        munged = ["munged", "--foreground", "--force", *(f"--{option}={root / name}" for option, name in files.items())]
        for words in (munged, ["slurmctld", "-D", "-c"], ["slurmd", "-D"]):
            with open(root / f"{words[0]}.out", "wb") as output:
                processes.append(subprocess.Popen(words, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL))
            if words is munged:
                _until(lambda: (root / "munge.socket").exists(), root)
        cluster = Cluster(root, environment)
        _until(lambda: "idle" in _quietly(cluster, "sinfo", "--noheader", "--format=%T"), root)
        yield cluster
    finally:
        _end(root, environment, processes)
        shutil.rmtree(root, ignore_errors=True)


def _quietly(cluster: Cluster, *words: str) -> str:
    try:
        return cluster.call(*words)
    except subprocess.SubprocessError:
        return ""


def _until(holds, root: Path) -> None:
    deadline = time.monotonic() + STARTED_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            told = "\n".join(
                f"{path.name}: {path.read_text(errors='replace')[-1500:]}" for path in [*root.glob("*.log"), *root.glob("*.out")]
            )
            raise AssertionError(f"Slurm did not start:\n{told}")
        time.sleep(0.2)


def _end(root: Path, environment: dict[str, str], processes: list[subprocess.Popen]) -> None:
    """The jobs first, so that their step daemons end; then the daemons, each by its number."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(["scancel", "--signal=KILL", "--full", "--user=root"], env=environment, capture_output=True, timeout=20)
        subprocess.run(["scancel", "--user=root"], env=environment, capture_output=True, timeout=20)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and subprocess.run(["squeue", "-h"], env=environment, capture_output=True, timeout=20).stdout:
            time.sleep(0.3)
    for process in reversed(processes):
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
