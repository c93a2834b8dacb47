"""Start the ranks of a program by torchrun, and end with the status that they end with.

  launch.py --ranks 2 train.py --method full ...
  launch.py --ranks 8 --nodes 2 train.py --method full ...      in a Slurm job of two nodes: sixteen ranks
  launch.py --ranks 8 --torchrun "--nnodes 2 --rdzv-backend c10d --rdzv-endpoint node1:29500" train.py ...

What this adds to torchrun: the status is that of the rank that failed (torchrun's is 1 for all), no report buries what
the rank had to say, ranks share the threads of the job, and SIGTERM and SIGUSR1 are handed on to the ranks and nothing
else: torchrun would stop them.
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
from training.ranks import LAUNCHER

TORCHRUNS_OWN = "SIGINT,SIGHUP,SIGQUIT"


def hand_on(number: int, frame: object) -> None:
    """Send the signal to the ranks, which decide what to do about it."""
    for rank in psutil.Process().children():
        rank.send_signal(number)


def start_on_nodes(nodes: int, ranks: int, command: list[str]) -> int:
    """Start this launcher on each node of the Slurm job that this runs in, and return the highest status.

    They meet here: a job's script runs on the first of its nodes. srun hands on the signals that it is sent.
    """
    if not shutil.which("srun"):
        sys.exit("error: --nodes: there is no srun here; several nodes are for a Slurm job")
    with socket.create_server(("", 0)) as free:
        port = free.getsockname()[1]
    meeting = f"--nnodes {nodes} --rdzv-backend c10d --rdzv-endpoint {socket.gethostname()}:{port} --rdzv-id {port}"
    launcher = [sys.executable, __file__, "--ranks", str(ranks), "--torchrun", meeting]
    on_each = ["srun", "--nodes", str(nodes), "--ntasks", str(nodes), "--ntasks-per-node", "1", "--kill-on-bad-exit=0"]
    return subprocess.Popen([*on_each, *launcher, *command]).wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", required=True, type=positive, help="processes on this node")
    parser.add_argument("--nodes", default=1, type=positive, help="nodes of the Slurm job to start them on")
    parser.add_argument(
        "--torchrun", default="--standalone", metavar="OPTIONS", help="how they meet (default: on a free port, alone)"
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the program and its arguments")
    arguments = parser.parse_args()
    if not arguments.command:
        parser.error("name a program to start")
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, hand_on)
    if arguments.nodes > 1:
        sys.exit(start_on_nodes(arguments.nodes, arguments.ranks, arguments.command))

    # Snakemake tells each job, by these variables, of all its threads. With as many in every rank they would be in each
    # other's way, and sums, and so weights, would depend on --cores.
    share = max(1, int(os.environ.get("OMP_NUM_THREADS", arguments.ranks)) // arguments.ranks)
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(share)
    os.environ[LAUNCHER] = str(os.getpid())  # torchrun starts the ranks from this very process
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    options = ["--signals-to-handle", TORCHRUNS_OWN, "--nproc-per-node", str(arguments.ranks)]
    try:
        run.main([*options, *arguments.torchrun.split(), *arguments.command])
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        sys.exit(failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode)  # as a shell reports a signal


if __name__ == "__main__":
    main()
