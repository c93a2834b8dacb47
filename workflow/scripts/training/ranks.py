"""The processes (ranks) of one training: torchrun starts them, on one node or several, and each reads its rank from
its environment. Without torchrun there is a single one.
"""

import ctypes
import os
import signal
import sys
import time
from typing import TypeVar

from basics.errors import InputError

Value = TypeVar("Value")

RANK, RANKS = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
LOCAL_RANK, RANKS_HERE = int(os.environ.get("LOCAL_RANK", 0)), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
LAUNCHED = "RANK" in os.environ
LAUNCHER = "LAUNCHER_PID"  # variable that gives the ranks the process id of launch.py, their parent
REPORT_WITHIN = 30  # seconds: the time that importing torch may take longer on one rank than on another
INTERRUPTED = os.EX_TEMPFAIL  # exit status 75, of a training that a signal stopped: nothing is wrong, run it again


class RankError(InputError):
    """A fault that may affect a single rank, which therefore reports it itself. Any other InputError affects all ranks
    of a node, and only the first of them reports it."""


def follow_launcher() -> None:
    """Die when the launcher dies. A rank is in a separate session; if it survived when the job is killed, it would keep
    writing while the job is started again. Only Linux supports this; elsewhere nothing is done."""
    if LAUNCHED and sys.platform == "linux":
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG, prctl(2)
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
        if os.environ.get(LAUNCHER, parent := str(os.getppid())) != parent:  # it is dead already, and no signal comes
            os.kill(os.getpid(), signal.SIGKILL)


def launch_id() -> str:
    """A text that is the same in all ranks of this launch, and in no other process."""
    if not LAUNCHED:
        return f"process {os.getpid()}"
    return " ".join(os.environ[name] for name in ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT"))


def leave_report_to_first() -> None:
    """Wait for the first rank of this node to report a fault that all of them have; torchrun then ends this one. If
    this one ended before, torchrun would end the first, which might not have reported it yet."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(REPORT_WITHIN)


def lost_peer(error: Exception) -> bool:
    """Whether another rank ended during a collective operation (gloo); that rank, or torchrun, reports why."""
    return any(sign in str(error) for sign in ("Connection closed by peer", "Connection reset by peer"))


def barrier() -> None:
    """Wait for all ranks."""
    if RANKS > 1:
        import torch

        torch.distributed.barrier()


def broadcast(value: Value) -> Value:
    """The value of rank 0, on every rank. All ranks must call it."""
    if RANKS == 1:
        return value
    import torch

    values = [value]
    torch.distributed.broadcast_object_list(values)
    return values[0]


def leave_group() -> None:
    """Shut down cleanly: otherwise a rank is sometimes aborted after all work is done, and the job counts as failed."""
    torch = sys.modules.get("torch")
    if torch and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
