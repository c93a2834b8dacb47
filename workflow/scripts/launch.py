"""Start the ranks of a program by torchrun, and end with the status that they end with.

  launch.py --ranks 2 train.py --method full ...
  launch.py --ranks 8 --torchrun "--nnodes 2 --rdzv-backend c10d --rdzv-endpoint node1:29500" train.py ...

What this adds to torchrun: the status is that of the rank that failed (torchrun's is 1 for all), no report buries what
the rank had to say, and SIGTERM and SIGUSR1 are handed on to the ranks and nothing else: torchrun would stop them.
"""

import argparse
import os
import signal
import sys

from files import positive

TORCHRUNS_OWN = "SIGINT,SIGHUP,SIGQUIT"


def hand_on(number: int, frame: object) -> None:
    """Send the signal to the ranks, which decide what to do about it."""
    import psutil

    for rank in psutil.Process().children():
        rank.send_signal(number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", required=True, type=positive, help="processes on this node")
    parser.add_argument(
        "--torchrun", default="--standalone", metavar="OPTIONS", help="how they meet (default: on a free port, alone)"
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the program and its arguments")
    arguments = parser.parse_args()
    if not arguments.command:
        parser.error("name a program to start")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as torchrun does, which says so at length
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, hand_on)

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
