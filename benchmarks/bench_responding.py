"""Measure answering in padded batches against one prompt at a time, which is the authors' way, and check that both give
the same answers.

    make bench-responding                         five minutes or so
    make bench-responding BENCH="--turns 3"       medians of three turns

Models have random weights (random_causal.py) in fp32, and prompts have Alpaca's lengths (synthetic_tokens.py). A token
that occurs in about half of the answers is made the end-of-text token, so that answers end at different places, as real
ones do, and a batch waits for its longest. The ways are run in turns in this process, on all cores; a third way batches
only prompts of exactly equal length, which need no padding. Writes responding.json and responding.md, and prints the
latter.
"""

import argparse
import itertools
import os
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
sys.path += [str(REPOSITORY / "workflow" / "scripts"), str(HERE)]
CORES = os.cpu_count()
os.environ["OMP_NUM_THREADS"] = str(CORES)  # before torch

import random_causal  # noqa: E402
import synthetic_tokens  # noqa: E402
from answering.generation import generate  # noqa: E402
from basics.command_line import command_line, positive  # noqa: E402
from basics.writing import write_json, write_text  # noqa: E402
from measuring import Notebook, processor, table  # noqa: E402
from respond import batch_by_length  # noqa: E402

ARCHITECTURES = ("pythia", "bloom", "llama")
SEARCHES = {
    "greedy": SimpleNamespace(beams=1, no_repeat_ngram=6, repetition_penalty=1.1, max_new_tokens=48),
    "beam 4": SimpleNamespace(beams=4, no_repeat_ngram=6, repetition_penalty=1.1, max_new_tokens=48),
}
AIMS = {"greedy": 3.0, "beam 4": 1.5}  # speed-up over one at a time, on two cores
PROMPTS, BATCH = 64, 16
OURS, ALONE, EXACT = f"batches of {BATCH}", "one at a time", "of one length"


def prompts_of(words: int) -> list[list[int]]:
    """The prompts of synthetic rows."""
    rows = synthetic_tokens.synthetic_tokens(PROMPTS, words, seed=1)
    return [row["input_ids"][: max(row["prompt_length"], 8)] for row in rows]


def groups(way: str, prompts: list[list[int]]) -> list[list[int]]:
    """The positions of the prompts that are answered together."""
    if way == OURS:
        return list(batch_by_length(prompts, BATCH))
    by_length = sorted(range(len(prompts)), key=lambda place: -len(prompts[place]))
    if way == ALONE:
        return [[place] for place in by_length]
    equal = (list(places) for _, places in itertools.groupby(by_length, key=lambda place: len(prompts[place])))
    return [places[start : start + BATCH] for places in equal for start in range(0, len(places), BATCH)]


def answer(way: str, model, prompts: list[list[int]], search, tokenizer) -> list[tuple[list[int], bool]]:
    """The answers, in the order of the prompts."""
    answers = {}
    for places in groups(way, prompts):
        made = generate(model, [prompts[place] for place in places], search, tokenizer)
        answers |= zip(places, made, strict=True)
    return [answers[place] for place in range(len(prompts))]


def often_in_half(model, prompts: list[list[int]], search) -> int:
    """A token that occurs in about half of the answers."""
    never = SimpleNamespace(eos=random_causal.END, pad=random_causal.PADDING)
    asked = {token for prompt in prompts for token in prompt}
    answers = [set(tokens) - asked for tokens, _ in answer(OURS, model, prompts, search, never)]
    holding = Counter(token for tokens in answers for token in tokens)
    return min(sorted(holding), key=lambda token: abs(holding[token] - len(prompts) / 2))


def compare(notebook: Notebook, architectures: list[str], searches: list[str], turns: int) -> list[list[object]]:
    """Answer in all ways, in turns. Returns the rows of the table."""
    import torch

    torch.set_num_threads(CORES)
    rows = []
    for architecture in architectures:
        model = random_causal.build_model(random_causal.SHAPES[f"small-{architecture}"], "fp32").eval()
        prompts = prompts_of(random_causal.SMALL_WORDS)
        for name in searches:
            search, case = SEARCHES[name], f"{architecture}, {name}"
            end = often_in_half(model, prompts, search)
            tokenizer = SimpleNamespace(eos=end, pad=random_causal.PADDING)
            made = {}
            for _ in range(turns):
                for way in (ALONE, EXACT, OURS):
                    wall, cpu = time.perf_counter(), time.process_time()
                    made[way] = answer(way, model, prompts, search, tokenizer)
                    notebook.note(way, case, time.perf_counter() - wall, time.process_time() - cpu)
            same = sum(one == other for one, other in zip(made[ALONE], made[OURS], strict=True))
            lengths = [len(tokens) for tokens, _ in made[ALONE]]
            pace = len(prompts) / notebook.median(OURS, case, lambda turn: turn.wall)
            exact, ours = notebook.ratios(EXACT, ALONE, case), notebook.ratios(OURS, ALONE, case)
            tokens = f"{sum(lengths) / len(lengths):.0f} ({min(lengths)}-{max(lengths)})"
            rows.append(
                [architecture, name, tokens, f"{pace:.1f}", *ours, AIMS[name], exact[1], f"{same} of {len(prompts)}"]
            )
    return rows


HEAD = [
    "architecture",
    "search",
    "tokens per answer",
    "answers/s",
    "ratio, wall",
    "ratio, CPU",
    "aim",
    "one length, CPU",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", nargs="+", choices=ARCHITECTURES, default=ARCHITECTURES, help="default all")
    parser.add_argument("--search", nargs="+", choices=SEARCHES, default=list(SEARCHES), help="default both")
    parser.add_argument("--turns", type=positive, default=1, help="default 1")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "results" / "bench", help="folder")
    arguments = parser.parse_args()
    notebook = Notebook()
    rows = compare(notebook, arguments.architecture, arguments.search, arguments.turns)
    machine = f"{processor()}, {CORES} cores"
    report = "\n".join(
        [
            f"{machine}. {PROMPTS} prompts; medians of {arguments.turns}, extremes in brackets. Ratios: how many times"
            " as fast as one prompt at a time. Last column: answers that are the same.",
            "",
            table([*HEAD, "same"], rows),
        ]
    )
    turns = [turn._asdict() for turn in notebook.turns]
    write_json(arguments.output / "responding.json", {"machine": machine, "turns": turns})
    write_text(arguments.output / "responding.md", report)
    print(report)


if __name__ == "__main__":
    command_line(main)
