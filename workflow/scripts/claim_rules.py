"""Claims as data: reading and checking a file of them, and the verdict on an interval (resources/claims.yaml)."""

from collections.abc import Mapping
from pathlib import Path

import yaml
from files import InputError
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

SCHEMA = Path(__file__).resolve().parents[1] / "schemas" / "claims.schema.yaml"
VERDICTS = HOLDS, FAILS, UNKNOWN = ("holds", "does not hold", "cannot tell")


def read_claims(path: Path | str) -> dict[str, dict]:
    """The claims of a file by name. Raises InputError, one line, naming the file, the claim and the key at fault."""
    try:
        claims = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; name one in the config's `claims`") from None
    except yaml.YAMLError as error:
        where = f" (line {error.problem_mark.line + 1})" if getattr(error, "problem_mark", None) else ""
        raise InputError(f"{path}: not YAML{where}; mend it, as resources/claims.yaml is written") from None
    fault = best_match(Draft202012Validator(yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))).iter_errors(claims))
    if fault:
        key = ".".join(map(str, fault.absolute_path)) or "the file"
        message = " ".join(fault.message.split())
        raise InputError(f"{path}: {key}: {message[:200]}; see workflow/schemas/claims.schema.yaml")
    for name, claim in claims.items():
        if claim["statistic"] == "not_behind" and "with" not in claim:
            raise InputError(f"{path}: {name}.with: missing; not_behind compares one series with another")
    return claims


def verdict(low: float, high: float, expect: Mapping[str, float]) -> str:
    """Whether an interval lies in the range that a claim expects, outside of it, or across its end."""
    within = {
        "above": lambda value, bound: value > bound,
        "at_least": lambda value, bound: value >= bound,
        "below": lambda value, bound: value < bound,
        "at_most": lambda value, bound: value <= bound,
    }
    ends = [(within[side](low, bound), within[side](high, bound)) for side, bound in expect.items()]
    if all(map(all, ends)):
        return HOLDS
    return FAILS if not all(map(any, ends)) else UNKNOWN


def together(verdicts: list[str]) -> str:
    """The verdict on a claim from those on its parts: it holds if all do, and does not if one does not."""
    if FAILS in verdicts:
        return FAILS
    return HOLDS if set(verdicts) == {HOLDS} else UNKNOWN
