"""Start the ranks of a program by torchrun, and end with the status that they end with.

  launch.py --standalone --nproc-per-node 2 train.py --method full ...

Options and rendezvous are torchrun's own (launch.py --help shows them). Two things differ. When a rank fails, the
status is that rank's (torchrun's is 1 for all), and torchrun's report does not bury what the rank had to say. And
SIGUSR1 is handed on to the ranks as SIGTERM is: they have GRACE seconds to write a checkpoint, then the status is 75.
"""

import os
import sys

from ranks import INTERRUPTED

GRACE = 600  # seconds; a cluster that gives less kills the job itself, and the checkpoint before it stands
SIGNALS = "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"


def main() -> None:
    if sys.argv[1:] in (["--help"], ["-h"]):
        print(__doc__)
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(GRACE))
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as torchrun does, which says so at length

    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    try:
        run.main(["--signals-to-handle", SIGNALS, *sys.argv[1:]])
    except SignalException:
        sys.exit(INTERRUPTED)
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        sys.exit(failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode)  # as a shell reports a signal


if __name__ == "__main__":
    main()
