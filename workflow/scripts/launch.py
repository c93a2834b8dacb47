"""Start the ranks of a program with torchrun, and exit with their exit status.

  launch.py --ranks 2 train.py --method full ...
  launch.py --ranks 8 --nodes 2 train.py --method full ...      in a Slurm job of two nodes: sixteen ranks
  launch.py --ranks 8 --torchrun "--nnodes 2 --rdzv-backend c10d --rdzv-endpoint node1:29500" train.py ...

What this adds to torchrun: the exit status is that of the rank that failed (torchrun's is always 1), no report buries
the message of that rank, ranks share the threads of the job, and SIGTERM and SIGUSR1 are only forwarded to the ranks,
which torchrun would stop.

Nodes find each other by their host names. Where these lead to a network that is slow or closed between nodes, set
NCCL_SOCKET_IFNAME, as for NCCL itself: the nodes and gloo then use the addresses of that interface, too.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys

import psutil

from basics.command_line import positive
from models.warm_start import hand_over
from training.ranks import LAUNCHER

TORCHRUN_SIGNALS = "SIGINT,SIGHUP,SIGQUIT"


def forward_signal(number: int, frame: object) -> None:
    """Send the signal to the ranks, which decide how to respond."""
    for rank in psutil.Process().children():
        rank.send_signal(number)


def forward_to_srun(number: int, frame: object) -> None:
    """Have srun forward it to the launchers of all nodes, as SIGUSR1: at SIGTERM, srun would kill them."""
    forward_signal(signal.SIGUSR1, frame)


def interface_of_choice() -> str | None:
    """The network interface of this machine that NCCL_SOCKET_IFNAME names, as NCCL reads it: a list of beginnings of
    names, or of whole names after "=". None if it is not set, or only says which not to use.
    """
    wanted = os.environ.get("NCCL_SOCKET_IFNAME", "")
    if not wanted or wanted.startswith("^"):
        return None
    present = list(psutil.net_if_addrs())
    for name in wanted.removeprefix("=").split(","):
        for interface in present:
            if interface == name or (interface.startswith(name) and not wanted.startswith("=")):
                return interface
    sys.exit(
        f"error: NCCL_SOCKET_IFNAME is {wanted!r}, but {socket.gethostname()} has no such network interface; it has"
        f" {', '.join(present)}"
    )


def address_of(interface: str) -> str:
    """The IPv4 address of an interface of this machine, or else its IPv6 address."""
    addresses = {each.family: each.address for each in psutil.net_if_addrs()[interface]}
    for family in (socket.AF_INET, socket.AF_INET6):
        if family in addresses:
            return addresses[family].partition("%")[0]
    sys.exit(f"error: NCCL_SOCKET_IFNAME: {interface} of {socket.gethostname()} has no address")


def options_of_interface(interface: str) -> list[str]:
    """Options of torchrun on one of several nodes: its own address, and whether it is the rendezvous."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)
    first = os.environ.get("SLURM_NODEID", "0") == "0"
    return ["--local-addr", address_of(interface), "--rdzv-conf", f"is_host={first}"]


def start_on_nodes(nodes: int, ranks: int, command: list[str]) -> int:
    """Start this launcher on each node of the Slurm job in which it runs, and return the highest exit status.

    This node is the rendezvous: a job's script runs on the first of its nodes.
    """
    if not shutil.which("srun"):
        sys.exit("error: --nodes: there is no srun here; several nodes are for a Slurm job")
    with socket.create_server(("", 0)) as free:
        port = free.getsockname()[1]
    interface = interface_of_choice()
    host = address_of(interface) if interface else socket.gethostname()
    endpoint = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    rendezvous = f"--nnodes {nodes} --rdzv-backend c10d --rdzv-endpoint {endpoint} --rdzv-id {port}"
    launcher = [sys.executable, __file__, "--ranks", str(ranks), "--torchrun", rendezvous]
    on_each = ["srun", "--nodes", str(nodes), "--ntasks", str(nodes), "--ntasks-per-node", "1", "--kill-on-bad-exit=0"]
    return subprocess.Popen([*on_each, *launcher, *command]).wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", required=True, type=positive, help="processes on this node")
    parser.add_argument("--nodes", default=1, type=positive, help="nodes of the Slurm job to start them on")
    parser.add_argument(
        "--torchrun",
        default="--standalone",
        metavar="OPTIONS",
        help="rendezvous options (default: on this node only, at a free port)",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the program and its arguments")
    arguments = parser.parse_args()
    if not arguments.command:
        parser.error("name a program to start")
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, forward_signal if arguments.nodes == 1 else forward_to_srun)
    if arguments.nodes > 1:
        sys.exit(start_on_nodes(arguments.nodes, arguments.ranks, arguments.command))

    # Snakemake sets these variables to all threads of the job. With that many in every rank, ranks would compete for
    # cores; and sums, and thus weights, would depend on --cores.
    share = max(1, int(os.environ.get("OMP_NUM_THREADS", arguments.ranks)) // arguments.ranks)
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(share)
    os.environ[LAUNCHER] = str(os.getpid())  # torchrun starts the ranks from this process
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    options = ["--signals-to-handle", TORCHRUN_SIGNALS, "--nproc-per-node", str(arguments.ranks)]
    if arguments.torchrun != parser.get_default("torchrun") and (interface := interface_of_choice()):
        options += options_of_interface(interface)
    try:
        run.main([*options, *arguments.torchrun.split(), *arguments.command])
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        sys.exit(failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode)  # as a shell reports a signal


if __name__ == "__main__":
    hand_over()
    main()
