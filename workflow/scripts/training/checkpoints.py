"""Checkpoints of a training: which one it may resume from, and which ones are kept.

A checkpoint is complete when the file WHOLE, written last, lists the sizes of all its other files. One that was cut
short, by a kill or a failing node, is therefore skipped in favour of the one before. WHOLE also records the seconds of
training up to that point.
"""

import json
import shutil
from pathlib import Path

from basics.kinds import fields_fault
from basics.writing import write_json
from training import ranks

WHOLE = "whole.json"
NEWEST_KEPT = 2  # when a node fails, the last one may be damaged without anyone noticing
MOST_KEPT = NEWEST_KEPT + 1  # including the best one, if it is older


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def file_sizes(checkpoint: Path) -> dict[str, int]:
    """Bytes of each file, by its path within the checkpoint."""
    return {
        str(path.relative_to(checkpoint)): path.stat().st_size
        for path in sorted(checkpoint.rglob("*"))
        if path.is_file() and path.name != WHOLE
    }


def mark_whole(checkpoint: Path, seconds: float) -> None:
    """Mark a checkpoint as complete: to be called once, after every rank has saved its part."""
    write_json(checkpoint / WHOLE, {"sizes": file_sizes(checkpoint), "seconds": seconds})


def is_whole(checkpoint: Path) -> bool:
    try:
        kept = json.loads((checkpoint / WHOLE).read_text(encoding="utf-8"))
        return not fields_fault(kept, {"sizes": dict, "seconds": float}) and kept["sizes"] == file_sizes(checkpoint)
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def seconds_of(checkpoint: Path) -> float:
    """Seconds of training up to a complete checkpoint, summed over all interruptions."""
    return json.loads((checkpoint / WHOLE).read_bytes())["seconds"]


def list_checkpoints(folder: Path) -> list[Path]:
    """All checkpoints, oldest first."""
    return sorted(folder.glob("checkpoint-*"), key=step_of)


def newest_checkpoint(folder: Path) -> Path | None:
    return next(reversed(list_checkpoints(folder)), None)


def prune(folder: Path, best: str | None) -> None:
    """Remove all checkpoints but the newest ones and the best."""
    for checkpoint in list_checkpoints(folder)[:-NEWEST_KEPT]:
        if best is None or checkpoint.name != Path(best).name:
            shutil.rmtree(checkpoint)


def _is_mark_of(mark: Path, identity: str) -> bool:
    """Whether a folder's mark is that of this run. A damaged mark is nobody's: its checkpoints could be of any run."""
    try:
        return json.loads(mark.read_text(encoding="utf-8")) == identity
    except (OSError, ValueError, RecursionError):
        return False


def find_resumable(folder: Path, identity: str) -> Path | None:
    """The newest complete checkpoint of this very run, or None. Incomplete ones are removed, and so are those of a run
    with other settings, weights, data or number of ranks. All ranks must call it."""
    mark = folder / "run.json"
    if ranks.RANK > 0:  # rank 0 chooses: others may see the folder half removed or, on another node, out of date
        return ranks.broadcast(None)
    if not _is_mark_of(mark, identity):
        shutil.rmtree(folder, ignore_errors=True)
        write_json(mark, identity)
    for checkpoint in list_checkpoints(folder):
        if not is_whole(checkpoint):
            shutil.rmtree(checkpoint)
    return ranks.broadcast(newest_checkpoint(folder))
