"""What a job of the preflight finds on its node: processor, room on disks, and what of the network it reaches."""

import os
import socket
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from basics.errors import InputError, system_fault

LEAST = 2**30  # bytes that must be free: a job writes models and checkpoints
LEAST_FILES = 1000
REACHED_WITHIN = 10.0  # seconds


def node_facts(folder: Path, hosts: Iterable[str]) -> dict:
    """The node's name, processor and cores; room in `folder`, which has the results, and for temporary files; and
    whether each host answers over HTTPS."""
    return {
        "name": socket.gethostname(),
        "processor": processor(Path("/proc/cpuinfo")),
        "cores": len(os.sched_getaffinity(0)),
        "results": room_in(folder),
        "temporary": {"folder": tempfile.gettempdir()} | room_in(Path(tempfile.gettempdir())),
        "reached": reached(hosts),
    }


def processor(cpuinfo: Path) -> str:
    """The name of the processor; empty where the system does not say."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def room_in(folder: Path) -> dict[str, int | None]:
    """Bytes and files that this user may still write; None for files where the file system sets no limit."""
    found = os.statvfs(folder)
    return {"bytes": found.f_bavail * found.f_frsize, "files": found.f_favail if found.f_files else None}


def check_room(folder: Path) -> None:
    """Raise InputError if there is no room in a folder for a job's files, or for any number of them."""
    room = room_in(folder)
    if room["bytes"] is not None and room["bytes"] < LEAST:
        raise InputError(f"{folder}: {room['bytes'] / 1e6:,.0f} MB are free; make room, or put results on another disk")
    if room["files"] is not None and room["files"] < LEAST_FILES:
        raise InputError(
            f"{folder}: {room['files']:,} more files are allowed; remove some, or put results on another disk"
        )


def check_temporary() -> None:
    """Raise InputError if TMPDIR names no folder in which this user can write on this node."""
    if not (named := os.environ.get("TMPDIR")):
        return
    try:
        with tempfile.TemporaryFile(dir=named) as file:
            file.write(b"preflight")
    except OSError as error:
        raise InputError(
            f"TMPDIR: {named} on {socket.gethostname()}: {system_fault(error).partition(';')[0]}; set it to a folder"
            " that nodes have (environment in profiles/slurm/site.yaml)"
        ) from None


def reached(hosts: Iterable[str]) -> dict[str, bool]:
    """Whether each host answers, with whatever status, as a download would reach it: proxies of the environment are
    asked."""
    hosts = list(hosts)
    if not hosts:
        return {}
    with ThreadPoolExecutor(len(hosts)) as pool:
        return dict(zip(hosts, pool.map(_answers, hosts), strict=True))


def _answers(host: str) -> bool:
    import httpx2

    from basics.transport import Transport

    try:
        with httpx2.Client(transport=Transport(otherwise=REACHED_WITHIN), timeout=REACHED_WITHIN) as client:
            client.head(f"https://{host}/")
        return True
    except (httpx2.HTTPError, InputError, OSError):
        return False
