"""Try a kind of training, and the answers of its model, as small as can be, with the programs of the run.

  preflight_training.py ... -- launch.py --ranks 4 train.py --method lora --model FOLDER --accelerator gpu ...

After -- comes the command line of the training, without --settings, --tokens and the rest. The steps:

    ranks        what torch sees; the ranks meet and add up a tensor; the weights are read (preflight_ranks.py)
    micro-batch  its size, as the run finds it, if the settings leave it open and --micro-batch does not exist yet; at
                 most for a quarter of the time
    training     three optimizer steps on rows of --length tokens, to the end: weights are written and read back
    signal       the same training is sent SIGTERM, as a cluster does: it writes a checkpoint and stops
    resume       it goes on from there, and must have the same losses
    answers      two batches of questions, with --respond, the decoding of the run

Findings (planning/trials.py) have in `measured`: what preflight_ranks.py found, ranks, parameters,
micro_batch_tokens, tokens_per_second (of all ranks, without the first step if that leaves a second), mfu, peak_memory
(of a rank), start_up and checkpoint (seconds), answers_per_second, answer (one of them).
"""

import argparse
import csv
import json
import math
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from basics.command_line import command_line, positive
from basics.errors import InputError
from basics.reading import read_json
from basics.settings import read_object
from planning.estimates import WARNING
from planning.model_trials import MEET_WITHIN, PROGRAMS, TriedModel, answer, meet, ranks_of
from planning.trials import Trial, trial
from training.examples import recipe_features, rehearsal_rows
from training.flops import peak_flops
from training.ranks import INTERRUPTED
from training.saving import TOLERANCE

STEPS = 3
ROUNDS = 4  # micro-batches of a rank in a step, at most: enough to hide what a step takes besides
SEARCH = 150  # seconds after which no larger micro-batch is tried
SIGNALS = 3  # attempts to send the signal before a very short training ends
IN_TIME = 0.8  # of the time between signal and limit


class Kind(NamedTuple):
    """The command line of the training, and the settings of the study for it."""

    launcher: list[str]
    training: list[str]
    settings: dict
    length: int

    def option(self, name: str) -> str:
        """The value of an option of the training."""
        return self.training[self.training.index(name) + 1]

    @property
    def model(self) -> TriedModel:
        accelerator = self.option("--accelerator") if "--accelerator" in self.training else None
        base, tokenizer = Path(self.option("--model")), Path(self.option("--tokenizer"))
        return TriedModel(self.option("--method"), base, tokenizer, accelerator)


def split_command(command: Sequence[str]) -> tuple[list[str], list[str]]:
    """The launcher, which may be missing, and the training."""
    place = next(number for number, word in enumerate(command) if Path(word).name == "train.py")
    return list(command[:place]), list(command[place:])


# ---- the steps


def find_micro_batch(here: Trial, kind: Kind, known: Path | None, memory: int) -> int:
    """The tokens of a micro-batch: as the settings say, as the run has found, or else found now."""
    with here.step("micro-batch"):
        if kind.settings["micro_batch_tokens"] != "auto":
            return kind.settings["micro_batch_tokens"]
        output = here.folder / "micro_batch.json"
        if known and known.exists():
            return read_json(known, {"tokens": int})["tokens"]
        options: list[object] = ["--length", kind.length, "--memory", memory, "--settings", json.dumps(kind.settings)]
        options += ["--within", SEARCH, "--output", output, "--", *kind.launcher, *kind.training]
        here.run([PROGRAMS / "micro_batch.py", *options], "micro_batch.log")
        return read_json(output, {"tokens": int})["tokens"]


def make_tokens(folder: Path, length: int, rows: int, held_out: int) -> None:
    """A tokenized recipe of so many rows, each of `length` tokens."""
    from datasets import DatasetDict, disable_progress_bars

    disable_progress_bars()
    splits = {"train": rehearsal_rows(length, rows), "validation": rehearsal_rows(length, held_out)}
    DatasetDict({name: split.cast(recipe_features()) for name, split in splits.items()}).save_to_disk(folder)


def train_options(here: Trial, name: str, settings: Mapping) -> list[object]:
    """Options of train.py for one of the trainings; `name` is that of its output, curve and checkpoints."""
    files = {"--output": name, "--checkpoints": f"{name}-checkpoints", "--curve": f"{name}.csv", "--tokens": "tokens"}
    paths = [word for option, file in files.items() for word in (option, here.folder / file)]
    return [*paths, "--settings", json.dumps(settings)]


def train(here: Trial, kind: Kind, tokens: int) -> None:
    """Three trainings: whole, stopped by a signal, and resumed. Raises InputError if the losses differ."""
    rows = max(1, tokens // kind.length) * ranks_of(kind.launcher)
    settings = kind.settings | {
        "micro_batch_tokens": tokens,
        "epochs": 1,
        "batch": min(kind.settings["batch"], rows * ROUNDS),
    }
    make_tokens(here.folder / "tokens", kind.length, STEPS * settings["batch"], rows)
    command = [*kind.launcher, *kind.training]
    with here.step("training"):
        seconds = here.run([*command, *train_options(here, "whole", settings)], "whole.log")
        record = read_json(here.folder / "whole" / "training.json")
        here.measured |= speed(record, here.folder / "whole.csv")
        here.measured["start_up"] = round(seconds - record["seconds"], 1)
    with here.step("signal"):
        took = stop_by_signal(here, [*command, *train_options(here, "stopped", settings)])
        here.measured["checkpoint"] = took
        if took > IN_TIME * WARNING:
            raise InputError(
                f"a step and a checkpoint took {took:.0f} s, and a training has {WARNING} s from the signal to its time"
                " limit: have results on a faster disk, or a runtime that is long enough (make plan)"
            )
    with here.step("resume"):
        here.run([*command, *train_options(here, "stopped", settings)], "resumed.log")
        resumed = read_json(here.folder / "stopped" / "training.json")
        check_losses(record, resumed, kind.settings["precision"])


def speed(record: Mapping, curve: Path) -> dict[str, object]:
    """Tokens per second of all ranks and what follows from them, from a training's record and its losses by step."""
    with curve.open(encoding="utf-8", newline="") as stream:
        steps = [row for row in csv.DictReader(stream) if row["loss"]]
    tokens, seconds = (float(steps[-1][name]) - float(steps[0][name]) for name in ("tokens", "seconds"))
    rate = tokens / seconds if seconds >= 1 else record["tokens_per_second"]
    peak = peak_flops(record["device"])
    mfu = record["flops"] / record["tokens"] * rate / (peak * record["ranks"]) if peak else None
    kept = {key: record[key] for key in ("ranks", "peak_memory", "parameters")}
    return kept | {"tokens_per_second": round(rate, 1), "mfu": mfu and round(mfu, 4)}


def stop_by_signal(here: Trial, command: Sequence[object]) -> float:
    """Stop the training by a signal once it has begun; return the seconds that its step and its checkpoint took.

    Raises InputError if it does not stop as it must. A training of less than a second may end before the signal comes.
    """
    for _ in range(SIGNALS):
        shutil.rmtree(here.folder / "stopped", ignore_errors=True)
        (here.folder / "stopped.csv").unlink(missing_ok=True)
        with here.started(command, "stopped.log") as process:
            while process.poll() is None and not (here.folder / "stopped.csv").exists():
                here.left()
                time.sleep(0.01)
            began = time.monotonic()
            process.terminate()
            with suppress(InputError):
                here.wait(process, "stopped.log")  # to the end, too early for the signal
                continue
            here.wait(process, "stopped.log", expected=INTERRUPTED)
            return round(time.monotonic() - began, 1)
    raise InputError(f"the training ended {SIGNALS} times before it took notice of SIGTERM")


def check_losses(whole: Mapping, resumed: Mapping, precision: str) -> None:
    """Raise InputError if a training that was stopped and resumed did not have the losses of one that was not."""
    if not resumed["resumed_from_step"]:
        raise InputError("it began again, and found no checkpoint: is its folder seen by all nodes?")
    first, second = (dict(record["losses"]["train"]) for record in (whole, resumed))
    first["end"], second["end"] = (record["final"]["validation_loss"] for record in (whole, resumed))
    for step, loss in first.items():
        again = second.get(step, math.nan)
        if not math.isclose(loss, again, rel_tol=TOLERANCE[precision]):
            raise InputError(f"step {step}: the loss is {again:.5f}, but {loss:.5f} without an interruption")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", required=True, metavar="JSON", help="of train.py")
    parser.add_argument("--length", required=True, type=positive, help="tokens of a row, tokenize.max_length")
    parser.add_argument("--memory", required=True, type=positive, metavar="BYTES", help="of a rank, if there is no GPU")
    parser.add_argument("--micro-batch", type=Path, metavar="FILE", help="output of micro_batch.py, if it exists")
    parser.add_argument("--respond", required=True, metavar="JSON", help="settings of respond.py")
    parser.add_argument("--template", required=True, type=Path, help="prompt template of the answers")
    parser.add_argument(
        "--meet-within",
        type=float,
        default=MEET_WITHIN,
        metavar="SECONDS",
        help=f"in which all ranks must have started, met and read the weights (default: {MEET_WITHIN:.0f})",
    )
    parser.add_argument("--hosts", nargs="*", default=[], help="hosts of downloads, which are tried")
    parser.add_argument("--output", required=True, type=Path, help="JSON: the findings")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="the training command, after --")
    arguments = parser.parse_args()
    kind = Kind(*split_command(arguments.command), read_object(arguments.settings), arguments.length)
    with trial(arguments.output, arguments.hosts) as here:
        meet(here, kind.launcher, kind.model, kind.settings["precision"], arguments.meet_within)
        tokens = find_micro_batch(here, kind, arguments.micro_batch, arguments.memory)
        here.measured["micro_batch_tokens"] = tokens
        train(here, kind, tokens)
        answer(here, kind.model, here.folder / "whole", arguments.template, read_object(arguments.respond))
    print(f"{arguments.output}: ok, {here.measured['tokens_per_second']:,.0f} tokens/s", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
