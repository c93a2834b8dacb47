"""What replies use and cost: the most that a call may use before it, what it used after it, and the sum of journals."""

import json
from collections.abc import Iterable
from pathlib import Path

Usage = dict[str, int]  # prompt_tokens, completion_tokens

NO_USAGE: Usage = {"prompt_tokens": 0, "completion_tokens": 0}
USAGE_KINDS = dict.fromkeys(NO_USAGE, int)  # the types of its fields, in a file
OVERHEAD = 64  # tokens that a chat template may add to a prompt: roles, separators, a system prompt
CREDIBLE = 10  # times the bound of a call that an endpoint may report: some do not count reasoning as part of a reply
MILLION = 1_000_000


def usage_bound(prompt: str, max_tokens: int) -> Usage:
    """An upper bound on the usage of a call. A token of byte-level BPE, or of SentencePiece with byte fallback, is at
    least one byte, so a prompt has at most as many tokens as bytes in UTF-8."""
    return {"prompt_tokens": len(prompt.encode("utf-8", "replace")) + OVERHEAD, "completion_tokens": max_tokens}


def reported_usage(usage: object, bound: Usage) -> dict[str, Usage]:
    """The fields of a reply on its usage: `usage`, as the endpoint reports it, with 0 for what it does not report or
    what cannot be; and, where that is so, `bound`, which counts instead, with the bound of those parts."""
    said = {key: usage.get(key) if isinstance(usage, dict) else None for key in NO_USAGE}
    counts = {key: value for key, value in said.items() if type(value) is int and 0 <= value <= CREDIBLE * bound[key]}
    reply = {"usage": NO_USAGE | counts}
    if len(counts) < len(NO_USAGE) or not any(counts.values()):
        reply["bound"] = bound | {key: value for key, value in counts.items() if value}
    return reply


def charged_usage(reply: dict) -> Usage:
    """What a reply counts as, in rates and money."""
    return reply.get("bound", reply["usage"])


def cost(usage: Usage, price: dict[str, float]) -> float:
    """Cost in US dollars, for a price in US dollars per million tokens."""
    charged = usage["prompt_tokens"] * price["prompt"] + usage["completion_tokens"] * price["completion"]
    return charged / MILLION


def past_usage(paths: Iterable[Path]) -> Usage:
    """The usage of all replies in journals. Lines that are not replies are skipped, as when a journal itself is read:
    another job may be writing one."""
    usage = NO_USAGE
    for path in paths:
        with path.open("rb") as stream:
            for line in stream:
                try:
                    said = charged_usage(json.loads(line)["value"])
                    used = {key: int(said[key]) for key in usage}
                except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
                    continue
                usage = {key: usage[key] + used[key] for key in usage}
    return usage


def journal_files(own: Path, folder: Path | None) -> set[Path]:
    """A judge's journals, each once: all below its folder, and this job's own."""
    found = set(folder.rglob("*.jsonl")) if folder else set()
    return {path.resolve() for path in {own, *found} if path.is_file()}
