"""What jobs of the preflight found, as files (planning/trials.py writes them)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from basics.reading import read_json

KEYS = {"ok": bool, "line": str, "step": str, "measured": dict, "seconds": dict, "node": dict}
FAILED, TRIAL = ".failed.json", ".trial"  # ends of the names of a file, and of a job's folder while it runs


def failed_file(output: Path) -> Path:
    """The file of the findings of a job that has not succeeded; `output` is that of one that has."""
    return output.with_suffix(FAILED)


def read_findings(path: Path) -> dict[str, Any]:
    """One file. Raises InputError naming it if it is damaged."""
    return read_json(path, KEYS, "remove it, and run the preflight again")


def findings_of(output: Path) -> dict[str, Any] | None:
    """What a job has found, be it a success or not; None if it did not begin."""
    return next((read_findings(file) for file in (output, failed_file(output)) if file.exists()), None)


def measured_in(folder: Path) -> dict[str, Mapping[str, Any]]:
    """What was measured by the jobs that have succeeded, by kind, as in train/lora/pythia-12b."""
    files = {
        path.relative_to(folder): path for path in sorted(folder.rglob("*.json")) if not path.name.endswith(FAILED)
    }
    return {
        name.with_suffix("").as_posix(): read_findings(path)["measured"]
        for name, path in files.items()
        if not any(part.endswith(TRIAL) for part in name.parts)
    }
