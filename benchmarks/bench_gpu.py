"""Measure training on one GPU, unattended and in under nine minutes: tokens per second, MFU, peak memory.

    make bench-gpu                                       every case
    make bench-gpu BENCH="--cases bloom-7b1/lora"        one
    make bench-gpu BENCH="--tiny"                        the same code at tiny shapes on a CPU, in half a minute

A case is a method and the shape of a published model, with random weights made on the GPU (random_causal.py); settings
are those of config/config.yaml, rows those of synthetic_tokens.py. Two ways take optimizer steps on the same examples.
Ours is the trainer of train.py. The authors' loop is the Trainer with its defaults: a fixed number of examples per
micro-batch, in random order, padded, and the loss on all logits. Their README uses micro-batches of 2 for LoRA; for
full-parameter training it gives no number, and 4 is that of Stanford Alpaca, whose code they use. Two of their settings
are left out: fp16, which is bf16 here, and int8 weights, which come with activation checkpointing. Neither would make
their loop faster.

The first WARM_UP steps are not counted. Each case has a process of its own, which is killed when its time is up; a case
that fails, for example for lack of memory, becomes a line of the table. Writes gpu_training.json and gpu_training.md
after each case.
"""

import argparse
import gc
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
sys.path += [str(REPOSITORY / "workflow" / "scripts"), str(HERE)]

import random_causal  # noqa: E402  (before torch, it settles threads and network)
import synthetic_tokens  # noqa: E402
import train  # noqa: E402
import training_peer  # noqa: E402
from basics.command_line import command_line  # noqa: E402
from basics.writing import write_json, write_text  # noqa: E402
from measuring import table  # noqa: E402
from training import flops, trainer  # noqa: E402
from training.examples import Examples  # noqa: E402
from training.labelled_loss import give_summed_loss  # noqa: E402
from training.steps import FILLER, StepSampler  # noqa: E402

CASES = (
    "pythia-1.4b/lora",
    "pythia-1.4b/full",
    "bloom-1b7/lora",
    "bloom-1b7/full",
    "pythia-6.9b/lora",
    "bloom-7b1/lora",
)
TINY_CASES = ("tiny-pythia/lora", "tiny-bloom/full")
OURS, AUTHORS = "ours", "authors' loop"
WARM_UP = 2  # steps per way that are not counted
STEPS = 40  # per way, at most
SEED = 1
# Seconds: for one way's training, after which no new step begins; for the process of a case; for all cases.
LIMITS = {False: (16, 80, 500), True: (1, 60, 120)}  # by whether --tiny is given
AIM_MFU, AIM_RATIO = 0.45, 3

ADAPTED = ["query_key_value"]
COMMON = {"warmup": 0, "weight_decay": 0.0, "epochs": 1, "evaluate_every": 1000, "precision": "bf16", "seed": SEED}
LORA = {"rank": 8, "alpha": 16, "dropout": 0.05}
SETTINGS = {
    "lora": {"batch": 128, "learning_rate": 3e-4, "schedule": "linear", "loss_on": "all", "lora": LORA},
    "full": {"batch": 256, "learning_rate": 2e-5, "schedule": "cosine", "loss_on": "response"},
}
MICRO_BATCH_TOKENS = 4096
TINY = {"batch": 8}
AUTHORS_MICRO_BATCH = {"lora": 2, "full": 4}  # examples
AUTHORS_MULTIPLE = {"lora": 8, "full": 1}  # lengths are padded to a multiple of it


class Case:
    """A model's shape and a method (`name` is shape/method), with the rows and settings that both ways share."""

    def __init__(self, name: str, micro_batch_tokens: int):
        self.name = name
        shape, self.method = name.split("/")
        tiny = TINY if shape.startswith("tiny") else {}
        fields = COMMON | SETTINGS[self.method] | {"micro_batch_tokens": micro_batch_tokens} | tiny
        self.shape, self.settings = random_causal.SHAPES[shape], train.Settings(**fields)
        self.rows = synthetic_tokens.synthetic_tokens(
            STEPS * self.settings.batch, random_causal.SHAPES[shape]["vocab_size"], SEED
        )

    def steps(self) -> list[list[int]]:
        """The rows of each step, as train.py draws them."""
        lengths = [row["length"] for row in self.rows]
        sampler = StepSampler(lengths, self.settings.batch, self.settings.micro_batch_tokens, self.settings.seed)
        micro_batches = sampler.epoch_steps(0)
        return [[row for micro in step for row in micro if row is not FILLER] for step in micro_batches]

    def tokens(self, first: int, end: int) -> int:
        """Tokens, without padding, in the steps from `first` up to but not including `end`."""
        return sum(self.rows[row]["length"] for step in self.steps()[first:end] for row in step)

    def model(self, device: str):
        """A model with random weights, in the precision in which train.py loads it."""
        precision = self.settings.precision if self.method == "lora" else "fp32"
        model = random_causal.build_model(self.shape, precision, device)
        model.config.use_cache = False
        return model


def ours(case: Case, device: str, place: str):
    """The trainer that train.py uses; no other function here knows how it is made."""
    from datasets import Dataset

    model = case.model(device)
    give_summed_loss(model)
    if case.method == "lora":
        model = train.add_adapter(model, ADAPTED, case.settings)
    loss_on = case.settings.loss_on
    rows, validation = (Examples(Dataset.from_list(some), loss_on) for some in (case.rows, case.rows[:2]))
    return trainer.make_trainer(model, rows, validation, case.settings, Path(place), trainer.Interruption())


def authors(case: Case, device: str, place: str):
    """The Trainer with its defaults, over the same steps; within a step, the examples are in random order."""
    from datasets import Dataset

    model = case.model(device)
    if case.method == "lora":
        model = train.add_adapter(model, ADAPTED, case.settings)
    draw = random.Random(SEED)
    order = [row for step in case.steps() for row in draw.sample(step, len(step))]
    dataset = training_peer.labelled(Dataset.from_list([case.rows[row] for row in order]), case.settings.loss_on)
    common = training_peer.common_arguments(
        place,
        case.settings.batch,
        AUTHORS_MICRO_BATCH[case.method],
        STEPS,
        case.settings.precision,
        on_cpu=device == "cpu",
    )
    common |= {"learning_rate": case.settings.learning_rate}
    return training_peer.padded_trainer(model, dataset, common, "sequential", AUTHORS_MULTIPLE[case.method])


WAYS: dict[str, Callable] = {OURS: ours, AUTHORS: authors}


def clock_of(loop, seconds: float, device: str):
    """Give a trainer a clock that counts the steps after the warm-up and ends the training after `seconds`."""
    import torch
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        steps, seconds = 0, 0.0

        def on_train_begin(self, args, state, control, **_):
            self.start = time.monotonic()

        def on_step_end(self, args, state, control, **_):
            if device == "cuda":
                torch.cuda.synchronize()
            now = time.monotonic()
            if state.global_step == WARM_UP:
                self.warm = now
            if state.global_step > WARM_UP:
                self.steps, self.seconds = state.global_step - WARM_UP, now - self.warm
                control.should_training_stop = control.should_training_stop or now - self.start > seconds

    clock = Clock()
    loop.add_callback(clock)
    return clock


def measure_way(case: Case, way: str, device: str, seconds: float) -> dict:
    """Train for about `seconds` and return the measurements."""
    import torch

    on_gpu = device == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    torch.manual_seed(SEED)
    with tempfile.TemporaryDirectory() as place:
        loop = WAYS[way](case, device, place)
        clock = clock_of(loop, seconds, device)
        loop.train()
    name = torch.cuda.get_device_name() if on_gpu else "cpu"
    parameters = list(loop.model.parameters())
    counts = [sum(it.numel() for it in some) for some in (parameters, (it for it in parameters if it.requires_grad))]
    tokens = case.tokens(WARM_UP, WARM_UP + clock.steps)
    work = flops.training_flops(*counts, tokens)
    losses = [entry["loss"] for entry in loop.state.log_history if "loss" in entry]
    return {
        "device": name,
        "steps": clock.steps,
        "seconds": clock.seconds,
        "tokens_per_second": tokens / clock.seconds,
        "mfu": flops.utilisation(work, clock.seconds, name, 1),
        "peak_memory": torch.cuda.max_memory_allocated() if on_gpu else None,
        "loss": losses[0],
    }


def measure_case(case: Case, device: str, seconds: float) -> None:
    """Measure both ways, and print a line of JSON for each as soon as it is done."""
    import torch

    for way in WAYS:
        try:
            seen = measure_way(case, way, device, seconds)
        except torch.OutOfMemoryError:
            seen = {"fault": "not enough memory"}
        except Exception as error:  # whatever went wrong, the other way is still measured
            seen = {"fault": f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"}
        print(json.dumps({"case": case.name, "way": way} | seen), flush=True)
        gc.collect()
        torch.cuda.empty_cache()


def run_case(name: str, options: list, limit: float) -> list[dict]:
    """Measure a case in a process of its own. Returns two lines, one per way, whatever happens to the process."""
    command = [sys.executable, __file__, "--case", name, *map(str, options)]
    fault = ""
    try:
        done = subprocess.run(command, capture_output=True, timeout=limit)
        printed = done.stdout
        if done.returncode:
            last = (done.stderr.decode(errors="replace").strip() or "no message").splitlines()[-1]
            fault = f"ended with status {done.returncode} ({last[:120]})"
    except subprocess.TimeoutExpired as late:
        printed, fault = late.stdout or b"", f"over its {limit:.0f} s"
    lines = [line for line in printed.decode("utf-8").splitlines() if line.startswith('{"case"')]
    seen = {line["way"]: line for line in map(json.loads, lines)}
    return [seen.get(way, {"case": name, "way": way, "fault": fault or "said nothing"}) for way in WAYS]


def table_row(line: dict, other: dict) -> list[str]:
    """A row of the table; `other` is the line of the other way."""
    if "fault" in line:
        return [line["case"], line["way"], line["fault"], "", "", "", ""]
    ratio = ""
    if line["way"] == OURS and "fault" not in other:
        ratio = f"{line['tokens_per_second'] / other['tokens_per_second']:.2f}"
    return [
        line["case"],
        line["way"],
        f"{line['tokens_per_second']:,.0f}",
        f"{line['mfu']:.0%}" if line["mfu"] is not None else "",
        f"{line['peak_memory'] / 2**30:.1f} GB" if line["peak_memory"] is not None else "",
        f"{line['steps']} in {line['seconds']:.1f} s",
        ratio,
    ]


def report(lines: list[dict]) -> str:
    """The table of all cases so far, two lines each, ours first."""
    device = next((line["device"] for line in lines if "device" in line), "no device")
    head = ["case", "way", "tokens/s", "MFU", "peak memory", "steps", "ours is faster by"]
    rows = [table_row(line, lines[place ^ 1]) for place, line in enumerate(lines)]
    aims = f"Aims: {AIM_MFU:.0%} MFU, {AIM_RATIO} times as fast. Tokens and MFU count no padding."
    return f"{device}. {aims}\n\n" + table(head, rows)


def run_all(names: list[str], options: list, limits: tuple, output: Path) -> None:
    """Measure the cases one by one, and write the results so far after each."""
    _, case_limit, limit = limits
    start, lines = time.monotonic(), []
    for name in names:
        left = limit - (time.monotonic() - start)
        if left > case_limit / 4:
            lines += run_case(name, options, min(case_limit, left))
        else:
            lines += [{"case": name, "way": way, "fault": "no time left"} for way in WAYS]
        write_json(output / "gpu_training.json", lines)
        write_text(output / "gpu_training.md", report(lines))
        print(f"{time.monotonic() - start:4.0f} s  {name}", file=sys.stderr, flush=True)
    print(report(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, help="default all")
    parser.add_argument("--tiny", action="store_true", help="a try-out, on a CPU")
    parser.add_argument("--micro-batch-tokens", type=int, default=MICRO_BATCH_TOKENS, help="of ours (default 4096)")
    parser.add_argument("--case", choices=CASES + TINY_CASES, help="measure it in this process and print JSON lines")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "results" / "bench", help="folder")
    arguments = parser.parse_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = (
        "" if arguments.tiny else os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    )
    limits = LIMITS[arguments.tiny]
    if arguments.case:
        case = Case(arguments.case, arguments.micro_batch_tokens)
        measure_case(case, "cpu" if arguments.tiny else "cuda", limits[0])
        return
    options = ["--micro-batch-tokens", arguments.micro_batch_tokens, *(["--tiny"] if arguments.tiny else [])]
    names = arguments.cases or list(TINY_CASES if arguments.tiny else CASES)
    run_all(names, options, limits, arguments.output)


if __name__ == "__main__":
    command_line(main)
