"""What jobs of the preflight found, as files (planning/trials.py writes them)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from basics.reading import read_json

KEYS = {"ok": bool, "line": str, "step": str, "measured": dict, "seconds": dict, "node": dict}
FAILED = ".failed.json"


def failed_file(output: Path) -> Path:
    """The file of the findings of a job that has not succeeded; `output` is that of one that has."""
    return output.with_name(f"{output.name.removesuffix('.json')}{FAILED}")


def read_findings(path: Path) -> dict[str, Any]:
    """One file. Raises InputError naming it if it is damaged."""
    return read_json(path, KEYS, "remove it, and run the preflight again")


def findings_of(output: Path) -> dict[str, Any] | None:
    """What a job has found, be it a success or not; None if it did not begin."""
    return next((read_findings(file) for file in (output, failed_file(output)) if file.exists()), None)


def measured_in(folder: Path) -> dict[str, Mapping[str, Any]]:
    """What was measured by the jobs that have succeeded, by kind, as in train/lora/pythia-12b."""
    files = (
        path for path in sorted(folder.rglob("*.json")) if not path.name.endswith(FAILED) and ".trial" not in str(path)
    )
    return {path.relative_to(folder).with_suffix("").as_posix(): read_findings(path)["measured"] for path in files}
