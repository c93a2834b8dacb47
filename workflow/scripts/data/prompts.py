"""The test prompts of a language."""

from pathlib import Path

from basics.errors import InputError

FIELDS = {"id": str | int, "prompt": None}


def check_prompts(rows: list[dict], path: Path, expected: int) -> list[dict]:
    """Keep id and prompt of each row. Raises InputError for a wrong count, a repeated id or an empty prompt."""
    if len(rows) != expected:
        raise InputError(f"{path}: {len(rows)} prompts, expected {expected}; correct the file or data.prompts_expected")
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        if not isinstance(row["prompt"], str) or not row["prompt"].strip():
            raise InputError(f"{path}, prompt {number}: the prompt is empty or is not text; write one")
        if str(row["id"]) in seen:  # 1 and "1" would be the same
            raise InputError(f"{path}, prompt {number}: the id {row['id']!r} occurs twice; make ids unique")
        seen.add(str(row["id"]))
    return [{"id": str(row["id"]), "prompt": row["prompt"]} for row in rows]
