"""Measure the training against other ways of taking the same optimizer steps, and the memory of its loss.

    make bench-training                         a quarter of an hour or so
    make bench-training BENCH="--turns 3"       medians of three turns
    make bench-training BENCH="--architecture bloom --loss-on response"

Each way takes one optimizer step on the same examples (synthetic_tokens.py) from the same random weights
(random_causal.py), on one thread, in float32, training all parameters; ours is train.py, run from its command line, the
others are training_peer.py. The ways are run in turns, each in a process of its own. A time is the CPU time of the
process, less that of the same command on one short row: importing, reading and writing the model, evaluating, one
update of the weights. The losses of the step are compared as well. Writes training.json and training.md, and prints the
latter.
"""

import argparse
import itertools
import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
SCRIPTS = REPOSITORY / "workflow" / "scripts"
sys.path += [str(SCRIPTS), str(HERE)]

import loss_memory  # noqa: E402
import random_causal  # noqa: E402
import synthetic_tokens  # noqa: E402
from basics.command_line import command_line, positive  # noqa: E402
from basics.reading import read_json  # noqa: E402
from basics.writing import write_json, write_text  # noqa: E402
from measuring import Notebook, measure, processor, table  # noqa: E402

PEERS = {"PYTHONPATH": str(REPOSITORY / ".venv-bench")}  # what envs/bench.lock adds
EXAMPLES = 96  # in the step
BUDGET = 512  # tokens per micro-batch of ours
ARCHITECTURES = ("pythia", "bloom", "llama")
LOSSES = ("all", "response")
SAME = 1e-6  # relative difference up to which two losses count as equal; the resolution of float32 is a tenth of it
ONE_ROW = "one row"

OURS, AUTHORS, LARGER, GROUPED, PACKED = "ours", "padded, 2", "padded, 8", "grouped by length, 2", "TRL, packed"
WAYS = (OURS, AUTHORS, LARGER, GROUPED, PACKED)
PEER_OPTIONS = {
    AUTHORS: ("padded", 2),  # the authors' README has micro-batches of 2
    LARGER: ("padded", 8),
    GROUPED: ("grouped", 2),
    PACKED: ("packed", 1),
}
PROGRAMS = (OURS, AUTHORS, PACKED)
START_UP_AS = {LARGER: AUTHORS, GROUPED: AUTHORS}  # the same program
AIMS = {"all": 2.2, "response": 3.8}  # speed-up over the authors' way


class Case(NamedTuple):
    """An architecture, and the tokens that count in the loss."""

    architecture: str
    loss_on: str

    @property
    def name(self) -> str:
        return f"{self.architecture}, loss on {self.loss_on}"


def our_settings(loss_on: str) -> dict:
    """Settings for one step on all examples, with an evaluation at its end."""
    return {
        "batch": EXAMPLES,
        "micro_batch_tokens": BUDGET,
        "epochs": 1,
        "learning_rate": 1e-6,
        "warmup": 0,
        "schedule": "linear",
        "weight_decay": 0.0,
        "loss_on": loss_on,
        "evaluate_every": 1000,
        "precision": "fp32",
        "seed": 1,
    }


def take_step(notebook: Notebook, folder: Path, way: str, case: Case, tokens: str, name: str) -> None:
    """Take a step on `tokens`, a subfolder, and note its measurements and its loss under `name`."""
    model = ["--model", folder / case.architecture, "--tokens", folder / tokens]
    if way == OURS:
        output, checkpoints = folder / "output", folder / "checkpoints"
        settings = ["--method", "full", "--settings", json.dumps(our_settings(case.loss_on))]
        places = ["--checkpoints", checkpoints, "--output", output]
        seen = measure([sys.executable, SCRIPTS / "train.py", *settings, *model, *places])
        loss = read_json(output / "training.json")["losses"]["train"][0][1]
        shutil.rmtree(output)
    else:
        kind, micro_batch = PEER_OPTIONS[way]
        options = ["--way", kind, "--micro-batch", micro_batch, "--loss-on", case.loss_on]
        seen = measure([sys.executable, HERE / "training_peer.py", *options, *model], **PEERS)
        loss = json.loads(seen.output)["loss"]
    notebook.note(way, name, seen.wall, seen.cpu, loss=loss, peak=seen.peak)


def take_off_start_up(notebook: Notebook, folder: Path, case: Case) -> None:
    """Measure start-up, which takes at least as long as the step, and subtract it from now on. Done often, because the
    speed of a shared machine varies.
    """
    notebook.start_up.clear()
    for program in PROGRAMS:
        take_step(notebook, folder, program, case, "short", ONE_ROW)
    notebook.take_off_start_up(ONE_ROW)
    notebook.start_up |= {way: notebook.start_up[program] for way, program in START_UP_AS.items()}


def speed_table(notebook: Notebook, cases: list[Case], tokens: int) -> str:
    """How many times faster ours is."""

    def row(case: Case) -> list[str]:
        pace = tokens / notebook.median(OURS, case.name, lambda turn: turn.cpu)
        ratios = [notebook.ratios(OURS, way, case.name)[1] for way in WAYS[1:]]
        aims = [AIMS[case.loss_on], "none: its loss is wrong" if case.architecture == "bloom" else "1.0"]
        return [case.architecture, case.loss_on, f"{pace:,.0f}", *ratios, *aims]

    ours = "ours, tokens per CPU second"
    head = ["architecture", "loss on", ours, *WAYS[1:], f"aim, {AUTHORS}", f"aim, {PACKED}"]
    return table(head, [row(case) for case in cases])


def difference(ours: float, theirs: float) -> str:
    """The relative difference of a loss from ours, with a remark where it is a different loss."""
    apart = abs(theirs - ours) / ours
    return f"{apart:.0e}" if apart <= SAME else f"{apart:.0e}: another loss"


def loss_table(notebook: Notebook, cases: list[Case]) -> str:
    """The loss of the step, and how far the others' losses are from it."""

    def row(case: Case) -> list[str]:
        ours, *others = (notebook.turns_of(way, case.name)[0].details["loss"] for way in WAYS)
        return [case.architecture, case.loss_on, f"{ours:.6f}", *(difference(ours, loss) for loss in others)]

    return table(["architecture", "loss on", "ours", *WAYS[1:]], [row(case) for case in cases])


def compare(notebook: Notebook, folder: Path, cases: list[Case], turns: int) -> str:
    """Take the steps, in turns. Returns the tables."""
    rows = synthetic_tokens.synthetic_tokens(EXAMPLES, random_causal.SMALL_WORDS, seed=1)
    short = min(rows, key=lambda row: row["length"])
    synthetic_tokens.write_tokens(folder / "step", rows, [short])
    synthetic_tokens.write_tokens(folder / "short", [short], [short])
    for architecture in dict.fromkeys(case.architecture for case in cases):
        random_causal.write_model(folder / architecture, random_causal.SHAPES[f"small-{architecture}"])

    for _ in range(turns):
        for architecture, some in itertools.groupby(cases, key=lambda case: case.architecture):
            take_off_start_up(notebook, folder, Case(architecture, LOSSES[0]))
            for case in some:
                for way in WAYS:
                    take_step(notebook, folder, way, case, "step", case.name)

    lengths = [row["length"] for row in rows]
    start_up = ", ".join(f"{notebook.median(it, ONE_ROW, lambda turn: turn.cpu):.1f} s" for it in PROGRAMS)
    return "\n".join(
        [
            f"One step of {len(rows)} examples, {statistics.mean(lengths):.0f} tokens each, {max(lengths)} at most;"
            f" our micro-batches: {BUDGET:,} tokens.",
            f"Start-up, not counted: {start_up} of CPU for ours, the Trainer and TRL.",
            "",
            "How many times as fast as the others ours is, by CPU time:",
            "",
            speed_table(notebook, cases, sum(lengths)),
            "The loss of the step, and the relative difference of the others':",
            "",
            loss_table(notebook, cases),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", nargs="+", choices=ARCHITECTURES, default=ARCHITECTURES, help="default all")
    parser.add_argument("--loss-on", nargs="+", choices=LOSSES, default=LOSSES, help="default both")
    parser.add_argument("--turns", type=positive, default=1, help="default 1")
    parser.add_argument(
        "--only", nargs="+", choices=("speed", "memory"), default=("speed", "memory"), help="parts to do"
    )
    parser.add_argument("--output", type=Path, default=REPOSITORY / "results" / "bench", help="folder")
    arguments = parser.parse_args()
    os.environ["DS_ACCELERATOR"] = "cpu"  # otherwise DeepSpeed prints to stdout that it has found no accelerator
    cases = [Case(architecture, loss_on) for architecture in arguments.architecture for loss_on in arguments.loss_on]

    notebook, tables, memory = Notebook(), [], {}
    if "speed" in arguments.only:
        with tempfile.TemporaryDirectory(prefix="bench-") as place:
            tables.append(compare(notebook, Path(place), cases, arguments.turns))
    if "memory" in arguments.only:
        notebook.log("the memory of the loss")
        memory, report = loss_memory.compare(1)
        tables.append(report)

    machine = f"{processor()}, {os.cpu_count()} cores; one thread"
    turns = [turn._asdict() for turn in notebook.turns]
    heading = f"{machine}. Medians of {arguments.turns}, extremes in brackets.\n"
    report = "\n".join([heading, *tables])
    write_json(arguments.output / "training.json", {"machine": machine, "turns": turns, "loss": memory})
    write_text(arguments.output / "training.md", report)
    print(report)


if __name__ == "__main__":
    command_line(main)
