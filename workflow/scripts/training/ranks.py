"""The processes of one training: torchrun starts them, on one node or several, and each reads its place from its
environment. Without torchrun there is one.
"""

import ctypes
import os
import signal
import sys
from typing import TypeVar

from basics.errors import InputError

Value = TypeVar("Value")

RANK, RANKS = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
LOCAL_RANK = int(os.environ.get("LOCAL_RANK", 0))
LAUNCHED = "RANK" in os.environ
LAUNCHER = "LAUNCHER_PID"  # variable in which launch.py tells its ranks whose children they are
INTERRUPTED = os.EX_TEMPFAIL  # status 75 of a training that a signal stopped: nothing is wrong, run it again


class RankError(InputError):
    """A fault that a rank may meet alone, and hence reports itself. Others all ranks of a node meet, and its first
    reports."""


def follow_launcher() -> None:
    """Die when the launcher does: a rank is in a session of its own, and one that outlived a kill of the job would
    write beside the job's next start. Linux alone has this; elsewhere nothing is done."""
    if LAUNCHED and sys.platform == "linux":
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG, prctl(2)
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
        if os.environ.get(LAUNCHER, parent := str(os.getppid())) != parent:  # it died before: nobody will tell
            os.kill(os.getpid(), signal.SIGKILL)


def owner() -> str:
    """What only the processes of this start share."""
    if not LAUNCHED:
        return f"process {os.getpid()}"
    return " ".join(os.environ[name] for name in ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT"))


def lost_peer(error: Exception) -> bool:
    """Whether another rank has ended in the middle of what they do together (gloo): it, or torchrun, says why."""
    return any(sign in str(error) for sign in ("Connection closed by peer", "Connection reset by peer"))


def barrier() -> None:
    """Wait for all ranks."""
    if RANKS > 1:
        import torch

        torch.distributed.barrier()


def agree(value: Value) -> Value:
    """The first rank's value, on every rank."""
    if RANKS == 1:
        return value
    import torch

    values = [value]
    torch.distributed.broadcast_object_list(values)
    return values[0]


def end() -> None:
    """Part in good order: without it a rank is now and then aborted after all is done, and the job counts as failed."""
    torch = sys.modules.get("torch")
    if torch and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
