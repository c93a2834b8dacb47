"""Checkpoints of a training: which one it may go on from, and which are kept.

A checkpoint is whole when the file WHOLE, written last, lists the sizes that its other files have. So one that a kill
or a dying node has torn is passed over for the one before. WHOLE also keeps the seconds that it took to come so far.
"""

import json
import shutil
from pathlib import Path

from basics.kinds import fields_fault
from basics.writing import write_json
from training import ranks

WHOLE = "whole.json"
NEWEST = 2  # are kept: the last may be torn without anybody's notice, when a node dies
MOST_KEPT = NEWEST + 1  # with the best one, where it is older


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def sizes(checkpoint: Path) -> dict[str, int]:
    """Bytes by file."""
    return {
        str(path.relative_to(checkpoint)): path.stat().st_size
        for path in sorted(checkpoint.rglob("*"))
        if path.is_file() and path.name != WHOLE
    }


def mark_whole(checkpoint: Path, seconds: float) -> None:
    """Call it once, when every rank has saved its part."""
    write_json(checkpoint / WHOLE, {"sizes": sizes(checkpoint), "seconds": seconds})


def is_whole(checkpoint: Path) -> bool:
    try:
        kept = json.loads((checkpoint / WHOLE).read_text(encoding="utf-8"))
        return not fields_fault(kept, {"sizes": dict, "seconds": float}) and kept["sizes"] == sizes(checkpoint)
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def seconds_of(checkpoint: Path) -> float:
    """Seconds of training up to a whole checkpoint, over all interruptions."""
    return json.loads((checkpoint / WHOLE).read_bytes())["seconds"]


def found(folder: Path) -> list[Path]:
    """All checkpoints, oldest first."""
    return sorted(folder.glob("checkpoint-*"), key=step_of)


def newest(folder: Path) -> Path | None:
    return next(reversed(found(folder)), None)


def prune(folder: Path, best: str | None) -> None:
    """Remove all but the newest and the best."""
    for checkpoint in found(folder)[:-NEWEST]:
        if best is None or checkpoint.name != Path(best).name:
            shutil.rmtree(checkpoint)


def _says(mark: Path, identity: str) -> bool:
    """Whether a folder's mark is that of a run; a torn one is of none: nobody can tell what its checkpoints are of."""
    try:
        return json.loads(mark.read_text(encoding="utf-8")) == identity
    except (OSError, ValueError, RecursionError):
        return False


def resumable(folder: Path, identity: str) -> Path | None:
    """The newest whole checkpoint of this very run. Torn ones are removed, and all those of another run, with other
    settings, weights, data or number of ranks. All ranks call it."""
    mark = folder / "run.json"
    if ranks.RANK > 0:  # the first one chooses: others may see the folder half removed, on another node as it was
        return ranks.agree(None)
    if not _says(mark, identity):
        shutil.rmtree(folder, ignore_errors=True)
        write_json(mark, identity)
    for checkpoint in found(folder):
        if not is_whole(checkpoint):
            shutil.rmtree(checkpoint)
    return ranks.agree(newest(folder))
