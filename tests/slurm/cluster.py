"""A real Slurm on this machine, for tests to hurt: munge, MariaDB, slurmdbd, slurmctld and three slurmd on loopback.

Everything is in one folder and listens on free ports of 127.0.0.1 or on sockets in that folder, so that a Slurm already
on the machine is not touched; `SLURM_CONF` says which one a command means. There are no cgroups: a job that exceeds its
memory is killed by Slurm's own accounting, which checks every second. Nodes claim more cores than the machine has, and
the GPUs of the nodes g1 and g2 are device files that every machine has.

  python tests/slurm/cluster.py /tmp/slurm     start one and wait; Ctrl-C stops it
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

PACKAGES = ["slurm-wlm", "slurmdbd", "munge", "mariadb-server"]
PROGRAMS = ["munged", "mariadbd", "mariadb-install-db", "slurmdbd", "slurmctld", "slurmd", "sbatch", "sacct"]
COMMANDS = ["srun", "sbatch", "squeue", "sacct", "sacctmgr", "sshare", "scancel", "scontrol", "sinfo"]
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
NODES = {"c1": 0, "g1": 4, "g2": 4}  # GPUs per node
GPU_FILES = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random"]

DATABASE_CONF = """\
DbdHost=localhost
DbdPort={database_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
LogFile={folder}/log/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""

SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
MpiDefault=none
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdSpoolDir={folder}/spool/%n
StateSaveLocation={folder}/state
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
ReturnToService=2
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill,UsePss
SlurmdParameters=config_overrides
EnforcePartLimits=ALL
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0,sched_min_interval=100000
PriorityType=priority/basic
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=30
MinJobAge=300
SlurmdTimeout=20
SlurmctldTimeout=30
InactiveLimit=0
OverTimeLimit=0
GresTypes=gpu
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort={database_port}
AccountingStoragePass={folder}/munge.socket
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
AccountingStorageEnforce=associations,limits
{nodes}
PartitionName=cpu Nodes=c1 Default=YES MaxTime=1-00:00:00 DefaultTime=10 State=UP
PartitionName=gpu Nodes=g1,g2 MaxTime=2-00:00:00 DefaultTime=10 State=UP PriorityTier=1 GraceTime={grace}
PartitionName=urgent Nodes=g1,g2 MaxTime=1:00:00 DefaultTime=10 State=UP PriorityTier=10 PreemptMode=OFF
"""


class CannotRun(Exception):
    """Why this machine cannot have the test's Slurm, in one line."""


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def install() -> None:
    """Make sure that the programs are on this machine, if need be from the distribution's packages.

    Raises:
        CannotRun: without root or apt, or when apt fails.
    """
    if os.geteuid() != 0:
        raise CannotRun("slurmd starts jobs as other users and so wants root")
    os.environ["PATH"] = f"{os.environ['PATH']}:{SYSTEM_PATH}"
    if all(map(shutil.which, PROGRAMS)):
        return
    if not shutil.which("apt-get"):
        raise CannotRun("no Slurm on this machine, and no apt-get to install it")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True)
        if done.returncode:
            raise CannotRun(f"apt-get {command[0]} failed: {done.stderr.strip().splitlines()[-1:]}")


def wait_until(what: str, is_so: Callable[[], bool], seconds: float = 60) -> None:
    """Check repeatedly until the condition holds."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.2)


class Cluster:
    """The Slurm whose files are in `folder`. Its partitions are cpu (c1), gpu and urgent (g1, g2: four GPUs each)."""

    def __init__(self, folder: Path, grace: int = 20) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen] = {}
        self.environment = os.environ | {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "MYSQL_UNIX_PORT": str(folder / "mariadb.socket"),  # where slurmdbd finds its database
        }
        self.grace = grace

    def answers(self, *command: str) -> bool:
        return not subprocess.run(command, env=self.environment, capture_output=True).returncode

    def ask(self, *command: str) -> str:
        """What a Slurm command prints."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout

    def start_process(self, name: str, *command: str) -> None:
        with open(self.folder / "log" / f"{name}.out", "ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def write_configuration(self) -> None:
        controller, database, *nodes = free_ports(2 + len(NODES))
        host = socket.gethostname().split(".")[0]
        lines = [
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=16 RealMemory=64000"
            + (f" Gres=gpu:a100:{gpus}" if gpus else "")
            for (name, gpus), port in zip(NODES.items(), nodes, strict=True)
        ]
        values = {
            "folder": self.folder,
            "host": host,
            "controller_port": controller,
            "database_port": database,
            "nodes": "\n".join(lines),
            "grace": self.grace,
        }
        (self.folder / "slurmdbd.conf").write_text(DATABASE_CONF.format(**values))
        (self.folder / "slurmdbd.conf").chmod(0o600)
        (self.folder / "slurm.conf").write_text(SLURM_CONF.format(**values))
        devices = [
            f"NodeName={name} Name=gpu Type=a100 File={file}" for name, n in NODES.items() for file in GPU_FILES[:n]
        ]
        (self.folder / "gres.conf").write_text("\n".join(devices) + "\n")
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")

    def write_commands(self) -> None:
        """Put commands on the path that know this Slurm: the plugins drop SLURM_CONF, like all of SLURM_*, from the
        environment of a Snakemake in a job (snakemake-executor-plugin-slurm 2.8.0, -jobstep 0.6.1).
        """
        for name in COMMANDS:
            command = self.folder / "bin" / name
            command.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {shutil.which(name)} "$@"\n')
            command.chmod(0o755)
        self.environment["PATH"] = f"{self.folder}/bin:{self.environment['PATH']}"

    def start(self) -> None:
        for name in ("bin", "log", "spool", "state", "database"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.write_commands()
        self.folder.chmod(0o755)
        self.write_configuration()
        (self.folder / "munge.key").write_bytes(os.urandom(1024))
        (self.folder / "munge.key").chmod(0o400)
        paths = [
            f"--{kind}={self.folder}/munge.{name}"
            for kind, name in (
                ("key-file", "key"),
                ("socket", "socket"),
                ("pid-file", "pid"),
                ("log-file", "log"),
                ("seed-file", "seed"),
            )
        ]
        self.start_process("munged", "munged", "--foreground", "--force", *paths)
        wait_until("munged", lambda: self.answers("munge", "--no-input", f"--socket={self.folder}/munge.socket"))
        self.start_database()
        self.start_process("slurmdbd", "slurmdbd", "-D")
        wait_until("slurmdbd", lambda: self.answers("sacctmgr", "--noheader", "show", "cluster"))
        for what in (["cluster", "test"], ["account", "proj", "cluster=test"], ["user", "root", "account=proj"]):
            self.ask("sacctmgr", "--immediate", "add", *what)
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        wait_until("all nodes idle", lambda: all(self.state(node) == "idle" for node in NODES))

    def start_database(self) -> None:
        files = ["--no-defaults", "--user=root", f"--datadir={self.folder}/database"]
        with open(self.folder / "log" / "mariadb-install.out", "wb") as log:
            subprocess.run(
                ["mariadb-install-db", *files, "--auth-root-authentication-method=normal"],
                stdout=log,
                stderr=log,
                check=True,
            )
        socket_file = f"--socket={self.folder}/mariadb.socket"
        options = ["--skip-networking", f"--pid-file={self.folder}/mariadb.pid", "--innodb-flush-log-at-trx-commit=0"]
        self.start_process("mariadbd", "mariadbd", *files, socket_file, *options, "--innodb-lock-wait-timeout=900")
        wait_until("MariaDB", lambda: self.answers("mariadb-admin", "--no-defaults", socket_file, "ping"))
        self.ask(
            "mariadb",
            "--no-defaults",
            socket_file,
            "--execute",
            "create database slurm; create user slurm@localhost identified by 'slurm';"
            " grant all on slurm.* to slurm@localhost",
        )

    def start_controller(self) -> None:
        self.start_process("slurmctld", "slurmctld", "-D")
        wait_until("slurmctld", lambda: self.answers("scontrol", "ping"))

    def start_node(self, node: str) -> None:
        (self.folder / "spool" / node).mkdir(exist_ok=True)
        self.start_process(node, "slurmd", "-D", "-N", node)

    def state(self, node: str) -> str:
        return self.ask("sinfo", "--noheader", "--nodes", node, "--format", "%t").split()[0]

    def takes_jobs(self, node: str) -> bool:
        """Whether a job runs there. The state of a node that sinfo reports may be minutes old if it is asked several
        times a second (Slurm 22.05).
        """
        partition = "gpu" if NODES[node] else "cpu"
        where = [f"--partition={partition}", f"--nodelist={node}", "--account=proj"]
        return self.answers("srun", *where, "--immediate=5", "true")

    def stop_process(self, name: str, number: int = signal.SIGTERM) -> None:
        process = self.processes.pop(name)
        process.send_signal(number)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def crash_node(self, node: str) -> None:
        """As in a power failure: slurmd and all processes of its jobs are gone at once, and nobody is told."""
        jobs = set(self.ask("squeue", "--noheader", "--nodelist", node, "--format", "%A").split())
        self.stop_process(node, signal.SIGKILL)
        for daemon in psutil.process_iter(["cmdline"]):
            title = " ".join(daemon.info["cmdline"] or [])
            if title.startswith("slurmstepd: [") and title[13:].split(".")[0].rstrip("]") in jobs:
                for process in [daemon, *daemon.children(recursive=True)]:
                    process.kill()

    def stop(self) -> None:
        """Stop what was started, jobs first."""
        if "slurmctld" in self.processes:
            self.answers("scancel", "--user=root", "--signal=KILL", "--full")
            self.answers("scancel", "--user=root")
        for name in reversed(list(self.processes)):
            self.stop_process(name)


if __name__ == "__main__":
    install()
    here = Cluster(Path(sys.argv[1]).resolve())
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        here.start()
        print(f"export SLURM_CONF={here.folder}/slurm.conf PATH={here.folder}/bin:$PATH", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        here.stop()
