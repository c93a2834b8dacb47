"""The device on which a program runs a language model.

If nothing is asked for, that is a GPU if torch sees one. A job that asked for a GPU must not go on without one: it
would outlast its time limit, and nobody would know why. Nor may a job that asked for the CPU take a GPU that belongs to
another job, or give a CPU's results on some machines only.
"""

import os
import warnings
from collections.abc import Mapping

from basics.errors import InputError

ACCELERATORS = ("gpu", "cpu")
HELP = "gpu: stop if torch sees none; cpu: use no GPU (default: a GPU if torch sees one)"  # of --accelerator
CUDA, HIP = "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"  # ROCm reads the first if the second is not set
OF_A_JOB = {"CUDA": [CUDA], "ROCm": ["ROCR_VISIBLE_DEVICES", HIP, CUDA]}  # by which Slurm says what is a job's own
TOOLS = {"CUDA": "nvidia-smi", "ROCm": "rocm-smi"}


def use_device(accelerator: str | None, processes: int = 1) -> None:
    """Choose the device of this process, one of `processes` on this machine that have a GPU each.

    Call it before anything else asks torch for GPUs: torch looks only once. Raises InputError if `accelerator` is gpu
    and torch sees fewer GPUs than there are processes.
    """
    given = dict(os.environ)
    if accelerator == "cpu":
        os.environ |= {CUDA: "", HIP: "-1"}  # to ROCm, an empty one is as good as none
    elif processes == 1:  # the Trainer would split each micro-batch over all that are visible
        own = given.get(CUDA, "0")
        os.environ |= {CUDA: own.split(",")[0], HIP: given.get(HIP, own).split(",")[0]}
    if accelerator == "gpu":
        _check_gpus(processes, given)


def check_device_of_server(accelerator: str | None) -> None:
    """Raise InputError if this job asked for a GPU for the server that it starts, and there is none.

    A torch that is built for CPUs cannot tell, and the server may have an environment of its own: then it must.
    """
    if accelerator == "gpu" and _build():
        _check_gpus(1, os.environ)


def _build() -> str:
    """The kind of GPU that torch is built for, as in CUDA 13.0; empty if it is built for CPUs only."""
    import torch

    kinds = {"CUDA": torch.version.cuda, "ROCm": torch.version.hip}
    return next((f"{kind} {version}" for kind, version in kinds.items() if version), "")


def _check_gpus(wanted: int, given: Mapping[str, str]) -> None:
    """Raise InputError unless torch sees so many GPUs. `given` is the job's environment."""
    import torch

    with warnings.catch_warnings(record=True) as caught:  # in which torch says what is wrong with a driver
        warnings.simplefilter("always")
        seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if seen >= wanted:
        return
    asked = "a GPU is asked for (--accelerator gpu; compute.accelerator in the config)"
    if not _build():
        raise InputError(
            f"{asked}, but torch {torch.__version__} is built for CPUs only; make the environment again with `make"
            " env`, or with the TORCH_INDEX of your GPUs"
        )
    reason = "".join(f", and torch says: {' '.join(str(each.message).split())[:200]}" for each in caught[:1])
    kind = _build().split()[0]
    names = [name for name in OF_A_JOB[kind] if name in given] or OF_A_JOB[kind][:1]
    visible = ", ".join(f"{name} is {given[name]!r}" if name in given else f"{name} is not set" for name in names)
    raise InputError(
        f"{asked}, but torch {torch.__version__} sees {seen} of the {wanted} needed; {visible}{reason}; see that the"
        f" job is given GPUs (sbatch --gpus), that {TOOLS[kind]} shows them, and that the driver is new enough for"
        f" {_build()}"
    )
