"""What the ranks of a training see: their GPUs, each other, and the model's weights. preflight_training.py starts it.

  launch.py --ranks 4 preflight_ranks.py --model FOLDER --accelerator gpu --arrived FOLDER --output FILE

Each rank leaves a file with its node's name in --arrived, before it meets the others. Then all add up a tensor, as they
do with gradients, with NCCL between GPUs and gloo between CPUs. The output (JSON) has, from rank 0: device, memory and
free_memory (bytes), bf16, torch, build (the CUDA or ROCm that torch is built for), driver; nodes; all_reduce: backend,
bytes, and GB/s as nccl-tests count it (bus bandwidth: 2 (n - 1) / n times the bytes over the seconds); and read: the
bytes of the weights, and the GB/s of the slowest node in reading them, at most for a minute.
"""

import argparse
import datetime
import re
import socket
import sys
import time
from pathlib import Path

from basics.command_line import command_line
from basics.errors import InputError
from basics.writing import write_json, write_text
from models import device
from models.warm_start import hand_over
from training import ranks

MEET_WITHIN = 60  # seconds, for ranks that have all been started
TENSOR = {"nccl": 2**28, "gloo": 2**24}  # bytes
ROUNDS = 5
PIECE, READ_WITHIN = 2**24, 60.0  # bytes at a time, seconds
DRIVERS = ("/proc/driver/nvidia/version", "/sys/module/amdgpu/version")
OWN = (0.1, 2**30)  # share and bytes of a GPU's memory that this program and the driver take; more is somebody else's


def driver_version() -> str | None:
    """The version of the GPUs' driver, as Linux tells it; None without one."""
    for path in map(Path, DRIVERS):
        if path.exists() and (found := re.search(r"\d+\.\d+(\.\d+)*", path.read_text(encoding="utf-8"))):
            return found[0]
    return None


def device_facts() -> dict:
    """The device of this rank. Raises RankError for a GPU that is in use."""
    import torch

    facts: dict[str, object] = {"torch": torch.__version__, "driver": driver_version(), "node": socket.gethostname()}
    kinds = {"CUDA": torch.version.cuda, "ROCm": torch.version.hip}
    facts["build"] = next((f"{kind} {version}" for kind, version in kinds.items() if version), "CPU")
    if not torch.cuda.is_available():
        return facts | {"device": "cpu", "memory": None, "free_memory": None, "bf16": True}
    torch.cuda.set_device(ranks.LOCAL_RANK)
    free, memory = torch.cuda.mem_get_info()
    if memory - free > max(OWN[0] * memory, OWN[1]):
        raise ranks.RankError(
            f"GPU {ranks.LOCAL_RANK} of {socket.gethostname()} has {free / 2**30:.1f} of {memory / 2**30:.1f} GiB free:"
            " another program uses it; ask for GPUs of your own (gpu_options: --exclusive in site.yaml), or tell your"
            " administrators"
        )
    facts |= {"device": torch.cuda.get_device_name(), "memory": memory, "free_memory": free}
    return facts | {"bf16": torch.cuda.is_bf16_supported(including_emulation=False)}


def all_reduce() -> dict | None:
    """The bandwidth between all ranks; None for a single one. Raises RankError for a wrong sum."""
    import torch
    from torch import distributed

    if ranks.RANKS == 1:
        return None
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, timeout=datetime.timedelta(seconds=MEET_WITHIN))
    where = torch.device("cuda", ranks.LOCAL_RANK) if torch.cuda.is_available() else torch.device("cpu")
    tensor = torch.ones(TENSOR[backend] // 4, device=where)
    distributed.all_reduce(tensor)  # the first one also sets up connections
    if tensor[-1].item() != ranks.RANKS:
        raise ranks.RankError(f"{backend}: the sum of ones over {ranks.RANKS} ranks is {tensor[-1].item()}")
    seconds = []
    for _ in range(ROUNDS):
        ranks.barrier()
        began = time.monotonic()
        distributed.all_reduce(tensor)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.monotonic() - began)
    moved = 2 * (ranks.RANKS - 1) / ranks.RANKS * TENSOR[backend]
    return {"backend": backend, "bytes": TENSOR[backend], "gb_per_second": moved / min(seconds) / 1e9}


def read_weights(folder: Path) -> dict:
    """Bytes of the weights that were read, and GB/s. Raises InputError if there are none."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError(
            f"{folder}: no weights (*.safetensors) on {socket.gethostname()}; see that nodes have that folder"
        )
    began, size = time.monotonic(), 0
    for path in files:
        with path.open("rb", buffering=0) as stream:
            while (piece := stream.read(PIECE)) and time.monotonic() - began < READ_WITHIN:
                size += len(piece)
    return {"bytes": size, "gb_per_second": size / max(time.monotonic() - began, 1e-9) / 1e9}


def gathered(mine: dict) -> list[dict]:
    """What each rank says, on every rank."""
    if ranks.RANKS == 1:
        return [mine]
    from torch import distributed

    theirs: list = [None] * ranks.RANKS
    distributed.all_gather_object(theirs, mine)
    return theirs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=Path, help="base model, whose weights are read")
    parser.add_argument("--accelerator", choices=device.ACCELERATORS, help=device.HELP)
    parser.add_argument("--arrived", required=True, type=Path, help="folder in which each rank leaves a file")
    parser.add_argument("--output", required=True, type=Path, help="JSON, see above")
    arguments = parser.parse_args()
    write_text(arguments.arrived / str(ranks.RANK), socket.gethostname())
    try:
        device.use_device(arguments.accelerator, ranks.RANKS_HERE)
        facts = device_facts()
        reduced = all_reduce()
        read = read_weights(arguments.model) if ranks.LOCAL_RANK == 0 else None
    except ranks.RankError:
        raise
    except InputError:
        if ranks.LOCAL_RANK == 0:
            raise
        ranks.leave_report_to_first()
        sys.exit(1)
    everyone = gathered({"node": facts["node"], "read": read})
    if ranks.RANK == 0:
        speeds = [each["read"]["gb_per_second"] for each in everyone if each["read"]]
        assert read  # rank 0 is the first of its node
        found = facts | {"nodes": sorted({each["node"] for each in everyone}), "all_reduce": reduced}
        write_json(arguments.output, found | {"read": read | {"gb_per_second": min(speeds)}})
    ranks.leave_group()


if __name__ == "__main__":
    ranks.follow_launcher()
    hand_over(ranks.LAUNCHER)  # whose child the fork is not
    command_line(main)
