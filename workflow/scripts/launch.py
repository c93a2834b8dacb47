"""Start the ranks of a program by torchrun, and end with the status that they end with.

  launch.py --ranks 2 train.py --method full ...
  launch.py --ranks 8 --torchrun "--nnodes 2 --rdzv-backend c10d --rdzv-endpoint node1:29500" train.py ...

What this adds to torchrun: when a rank fails, the status is that rank's (torchrun's is 1 for all), and no report
buries what the rank had to say. SIGUSR1 is handed on to the ranks as SIGTERM is: they have GRACE seconds to write a
checkpoint, then the status is 75.
"""

import argparse
import os
import sys

from files import positive
from ranks import INTERRUPTED

GRACE = 600  # seconds; a cluster that gives less kills the job itself, and the checkpoint before it stands
SIGNALS = "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"


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
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(GRACE))
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as torchrun does, which says so at length

    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    options = ["--signals-to-handle", SIGNALS, "--nproc-per-node", str(arguments.ranks), *arguments.torchrun.split()]
    try:
        run.main([*options, *arguments.command])
    except SignalException:
        sys.exit(INTERRUPTED)
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        sys.exit(failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode)  # as a shell reports a signal


if __name__ == "__main__":
    main()
