"""Claims as data (resources/claims.yaml): reading and checking a file of them, and the verdicts."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from basics.errors import InputError
from basics.paths import REPOSITORY
from basics.reading import read_text, yaml_loader

SCHEMA = REPOSITORY / "workflow" / "schemas" / "claims.schema.yaml"
SERIES = ("multilingual", "monolingual", "English", "downsampled")  # of the figures
VERDICTS = HOLDS, FAILS, UNKNOWN = ("holds", "does not hold", "cannot tell")


def read_claims(path: Path | str) -> dict[str, dict]:
    """The claims in a file, by name. Raises InputError naming the file, the claim and the key at fault."""
    text = read_text(path)
    try:
        claims = yaml.load(text, yaml_loader())
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "see resources/claims.yaml"
        raise InputError(f"{path}{where}: not YAML of claims ({what}); correct it") from None
    fault = best_match(Draft202012Validator(yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))).iter_errors(claims))
    if fault:
        key = ".".join(map(str, fault.absolute_path)) or "the file"
        raise InputError(f"{path}: {key}: {_schema_fault(fault)}; see workflow/schemas/claims.schema.yaml")
    for name, claim in claims.items():
        if fault := _contradiction(claim):
            raise InputError(f"{path}: {name}.{fault}")
    return claims


def _schema_fault(fault: ValidationError) -> str:
    """A violation of the schema, with the remedy where the library's message has none."""
    if isinstance(fault.instance, bool):
        return 'YAML reads an unquoted yes or no as true or false; write "yes" or "no" in quotes'
    if fault.validator == "oneOf" and isinstance(fault.schema, Mapping):
        return f"{fault.instance!r} is not {fault.schema['description']}"
    return " ".join(fault.message.split())[:200]


def check_names(path: Path | str, claims: Mapping[str, Mapping], known: Mapping[str, Collection[str]]) -> None:
    """Raise InputError, naming file, claim and key, if claims name something that a configuration does not have.

    `known` are its `methods`, `families` and `recipes`.
    """
    for name, claim in claims.items():
        named = [(key, "recipes", as_list(claim.get(key, []))) for key in ("compare", "with")]
        named += [(key, key, claim.get(key, [])) for key in ("methods", "families")]
        named.append(("against.families", "families", claim.get("against", {}).get("families", [])))
        for key, kind, values in named:
            for value in values:
                if value not in known[kind]:
                    series = f"neither one of {', '.join(SERIES)} nor" if kind == "recipes" else "not"
                    raise InputError(
                        f"{path}: {name}.{key}: {value!r} is {series} one of the configuration's {kind}; correct it"
                    )


def _contradiction(claim: Mapping) -> str | None:
    """The key of a valid claim that no scores could ever decide, with the remedy; None if there is none."""
    compare, others = as_list(claim["compare"]), as_list(claim.get("with", []))
    elsewhere = claim.get("against", {})
    if claim["statistic"] == "not_behind" and not (others or elsewhere):
        return "with: missing; not_behind compares one series with another"
    if "margin" in claim and claim["statistic"] != "not_behind":
        return "margin: applies only to not_behind; put it into `expect`"
    if not elsewhere and (both := [series for series in compare if series in others]):
        return f"with: {both[0]} would be compared with itself; name another series, or leave it out of `compare`"
    if elsewhere.get("sizes") == "others" and "sizes" not in claim:
        return "sizes: missing; `against` is about models of other sizes than these"
    if claim.get("each") == "against" and not elsewhere:
        return "against: missing; `each` asks for an answer for each of its languages or models"
    if claim["languages"] == "unseen" and "monolingual" in [*compare, *others]:
        return "languages: no monolingual model exists for an unseen language; name another series, or seen languages"
    for key, low, high in (("sizes", ("from",), ("below",)), ("expect", ("above", "at_least"), ("below", "at_most"))):
        limits = claim.get(key, {})
        ends = [[limits[side] for side in sides if side in limits] for sides in (low, high)]
        if all(ends) and max(ends[0]) >= min(ends[1]):
            return f"{key}: the range from {max(ends[0]):g} to {min(ends[1]):g} is empty; give the lower end first"
    return None


def as_list(value: str | Sequence[str]) -> Sequence[str]:
    """A single name as a list of one; a list unchanged."""
    return [value] if isinstance(value, str) else value


def verdict_of(holds: float, fails: float, level: float) -> str:
    """The verdict at `level` from the p-values of two statements: that what a claim says is so, and that it is not."""
    tail = (1 - level) / 2
    if holds <= tail:
        return HOLDS
    return FAILS if fails <= tail else UNKNOWN


def overall_verdict(verdicts: list[str]) -> str:
    """The verdict on a claim from those on its parts: it holds if all hold, and does not hold if one does not."""
    if FAILS in verdicts:
        return FAILS
    return HOLDS if set(verdicts) == {HOLDS} else UNKNOWN
