"""Tune a base model on a tokenized recipe: LoRA adapters with PEFT, or all parameters, optionally with DeepSpeed ZeRO.

A single process can be started directly; several ranks, on one node or more, by launch.py or torchrun:

  train.py --method lora ...
  launch.py --ranks 2 train.py --method full ...

An optimizer step takes exactly `batch` examples, whatever the number of ranks, grouped by length into micro-batches of
at most `micro_batch_tokens` tokens. Its loss is the mean over the labels of the whole step or, with loss_mean, a mean
of means, which does not depend on the micro-batches either. The checkpoint with the lowest validation loss (mean over
labels) is kept or, without validation, the last. A killed run resumes from its last complete checkpoint in
--checkpoints and ends with the same weights as an uninterrupted one; checkpoints of other settings, weights or data are
deleted, and so are all checkpoints once the output is written. On SIGTERM or SIGUSR1, which a cluster sends before it
reclaims a node, the program finishes its step, writes a checkpoint and exits with status 75. The weights are read back
after writing, and must have the validation loss that was recorded.

--settings: batch, micro_batch_tokens (or auto, with --micro-batch), epochs, learning_rate, warmup (steps, or a fraction
below 1), schedule (linear, cosine), weight_decay, loss_on (all, response), evaluate_every (steps), precision (bf16,
fp32), seed, and optionally lora {rank, alpha, dropout, adapter (lora, dora)}, loss_mean (step; a number N: the mean
over groups of N examples of the means over their labels), order (random; by-length: the examples of a step are of
similar length), validation (held-out; none: keep the last weights; nothing-held-out: the same, and train on the
held-out rows as well), zero_stage (null, 2, 3), offload to host memory (none; optimizer; all: parameters as well, with
stage 3), activations (keep; recompute: less memory, a third more time).
"""

import argparse
import gc
import os
import shutil
import sys
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

from basics import locking
from basics.command_line import command_line
from basics.errors import InputError
from basics.hashing import item_key, sha256
from basics.reading import read_json
from basics.settings import read_settings
from basics.writing import beside, write_json
from models import device, language_models
from models.positions import check_positions
from models.sharing import Companions, origin_of
from models.tuned import load_tuned
from models.warm_start import hand_over
from training import checkpoints, ranks, saving
from training import trainer as training
from training.examples import Examples, load_tokens, rehearsal_rows
from training.instruments import Interruption
from training.settings import Settings, check_method
from training.trackers import check_trackers, wanted

SHORTER = "lower tokenize.max_length"
REHEARSED_STEPS = 4  # from the second one on, the optimizer's state is in memory; the last two are timed


def check_input(method: str, settings: Settings, modules: list[str], model: Path) -> None:
    """Raise InputError if the settings do not suit the method, or the model lacks a module to adapt."""
    check_trackers(wanted())
    present = language_models.layer_modules(model)  # this also reads the header of every weights file
    try:
        check_method(method, settings)
    except InputError as fault:
        raise InputError(f"settings: {fault}") from None
    if method == "full":
        if settings.zero_stage and not ranks.LAUNCHED:
            raise InputError("settings: zero_stage needs ranks; start it by launch.py --ranks N")
        return
    if not modules:
        raise InputError("--adapter-modules: name the modules that LoRA adapts")
    for module in modules:
        if module not in present:
            raise InputError(f"{model}: no module {module!r} to adapt; its layers have {', '.join(present)}")


def resolve_micro_batch(settings: Settings, path: Path | None) -> Settings:
    """The settings with micro_batch_tokens as a number: the one they hold, or the one that micro_batch.py found.

    Raises InputError if there is none, or if it was found on a GPU with more memory than this one has.
    """
    import torch

    if settings.micro_batch_tokens != "auto":
        return settings
    if path is None:
        raise InputError(
            "settings: micro_batch_tokens is auto; give --micro-batch, the file that micro_batch.py writes"
        )
    found = read_json(path, {"tokens": int}, "remove it, and it is made again")
    if torch.cuda.is_available():
        memory, needed = (
            torch.cuda.get_device_properties(ranks.LOCAL_RANK).total_memory,
            found.get("device_memory") or 0,
        )
        if memory < 0.98 * needed:  # drivers differ in how much they reserve
            raise InputError(
                f"{path}: found on {found['device']} with {needed / 2**30:.0f} GiB, but this GPU has"
                f" {memory / 2**30:.0f}; ask for one kind of GPU, or set micro_batch_tokens to a number"
            )
    return replace(settings, micro_batch_tokens=found["tokens"])


def add_adapter(model, modules: list[str], settings: Settings):
    """Wrap `model` with a newly initialised LoRA adapter, kept in fp32."""
    from peft import LoraConfig, get_peft_model

    lora = settings.lora
    assert lora  # check_method has made sure of it
    return get_peft_model(
        model,
        LoraConfig(
            r=lora["rank"],
            lora_alpha=lora["alpha"],
            lora_dropout=lora["dropout"],
            target_modules=modules,
            use_dora=lora.get("adapter") == "dora",
            bias="none",
            task_type="CAUSAL_LM",
        ),
    )


def prepare_model(method: str, path: Path, modules: list[str], settings: Settings):
    """The model to train, with its loss summed over labels."""
    import torch
    from transformers import set_seed

    from training.labelled_loss import give_summed_loss

    if not torch.cuda.is_available():
        os.environ["DS_ACCELERATOR"] = "cpu"
    if settings.zero_stage:
        training.prepare_deepspeed()
    import transformers.trainer  # noqa: F401  all that is still to be imported

    gc.freeze()  # the trainer collects garbage several times, and would scan a million imported objects each time
    set_seed(settings.seed)
    # ZeRO keeps fp32 master weights beside a model in the training precision; without ZeRO, trained weights are fp32.
    master = method == "full" and not settings.zero_stage
    model = language_models.load_model(path, "fp32" if master else settings.precision)
    model.config.use_cache = False
    give_summed_loss(model)
    return add_adapter(model, modules, settings) if method == "lora" else model


def input_hashes(model: Path, tokens: Path) -> dict[str, dict[str, str]]:
    """SHA-256 of the model's and the recipe's files, by file."""
    data = {str(path.relative_to(tokens)): sha256(path) for path in sorted(tokens.rglob("*.arrow"))}
    return {"weights": language_models.weight_hashes(model), "tokens": data}


def training_record(trainer, settings: Settings, validation_rows: int, seconds: float, resumed: Path | None) -> dict:
    """What training.json records about the run."""
    state, sampler, work = trainer.state, trainer.step_sampler, trainer.work
    validation = [(entry["step"], entry["eval_loss"]) for entry in state.log_history if "eval_loss" in entry]
    curve = [(entry["step"], entry["loss"]) for entry in state.log_history if "loss" in entry]
    best = min(validation, key=lambda point: (point[1], point[0]))
    tokens = sampler.tokens_by_step
    start = checkpoints.step_of(resumed) if resumed else 0
    mfu = work.utilisation(sum(tokens), seconds)
    packages = ["torch", "transformers", "peft", "accelerate", "datasets", "deepspeed"]
    return {
        "settings": asdict(settings),
        "ranks": ranks.RANKS,
        "accumulation": sampler.accumulation,
        "steps": state.global_step,
        "best": dict(zip(("step", "validation_loss"), best, strict=True)),
        "final": dict(zip(("step", "validation_loss"), validation[-1], strict=True)),
        "losses": {"train": curve, "validation": validation},
        "examples": len(sampler.lengths) * settings.epochs,
        "tokens": sum(tokens),
        "padded_tokens": sampler.padded_tokens(),
        "validation_rows": validation_rows,
        "parameters": work.parameters,
        "trained_parameters": work.trained,
        "flops": work.flops(sum(tokens)),
        "resumed_from_step": start or None,
        "seconds": round(seconds, 1),  # including those before an interruption, as in the next two
        "tokens_per_second": round(sum(tokens) / seconds, 1),
        "mfu": None if mfu is None else round(mfu, 4),
        "peak_memory": work.peak_memory(),  # of rank 0, since the last start
        "device": work.device,
        "versions": {package: version(package) for package in packages},
    }


def run_training(trainer, resumed: Path | None) -> float:
    """Run the training and return its seconds, including those before the checkpoint that it resumes from."""
    trainer.clock.start(resumed)
    trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    return trainer.clock.seconds()


def out_of_memory_fault(error: Exception) -> str | None:
    """One line on what to do, if the error is a lack of GPU memory; None for any other error."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(error, torch.OutOfMemoryError):
        return None
    return (
        f"out of memory on the GPU ({str(error).splitlines()[0]}); lower micro_batch_tokens, recompute"
        " activations, offload, or ask for more ranks (config: train, compute)"
    )


def rehearse(arguments: argparse.Namespace, settings: Settings) -> None:
    """Take REHEARSED_STEPS steps with one micro-batch per rank, as large as the settings allow, and write their peak
    memory, and how many tokens all ranks process per second. Nothing else is kept."""
    check_input(arguments.method, settings, arguments.adapter_modules, arguments.model)
    check_positions(arguments.model, arguments.rehearse, "rows may have", SHORTER)
    import torch

    from training.callback import StepTimes

    rows = ranks.RANKS * max(1, settings.micro_batch_tokens // arguments.rehearse)
    settings = replace(settings, batch=rows, epochs=1, validation="none", loss_on="all")
    model = prepare_model(arguments.method, arguments.model, arguments.adapter_modules, settings)
    train, validation = (
        Examples(rehearsal_rows(arguments.rehearse, count), "all") for count in (REHEARSED_STEPS * rows, ranks.RANKS)
    )
    trainer = training.make_trainer(model, train, validation, settings, arguments.checkpoints, Interruption())
    times = StepTimes()
    trainer.add_callback(times)
    run_training(trainer, None)
    peak = torch.tensor(trainer.work.peak_memory(), device=trainer.args.device)
    if ranks.RANKS > 1:
        torch.distributed.all_reduce(peak, op=torch.distributed.ReduceOp.MAX)
    cuda = torch.cuda.is_available()
    measured = {
        "peak_memory": peak.item(),
        "tokens_per_second": 2 * rows * arguments.rehearse / (times.ends[-1] - times.ends[-3]),
        "device": trainer.work.device,
        "device_memory": torch.cuda.get_device_properties(0).total_memory if cuda else None,
    }
    if ranks.RANK == 0:
        write_json(arguments.output, measured)


def training_rows(splits: dict, settings: Settings):
    """The rows to train on: the training split and, if nothing is to be held out, the held-out rows too."""
    if settings.validation != "nothing-held-out":
        return splits["train"]
    from datasets import concatenate_datasets

    return concatenate_datasets([splits["train"], splits["validation"]])


def train(arguments: argparse.Namespace, settings: Settings) -> int:
    """Check the input, train, write the output and verify it; return the exit status."""
    method, modules = arguments.method, arguments.adapter_modules
    check_input(method, settings, modules, arguments.model)
    companions, origin = Companions(arguments.tokenizer, arguments.template), origin_of(arguments.model)
    lock, waited = locking.hold_for_ranks(Path(f"{arguments.checkpoints}.lock"), ranks.launch_id(), ranks.RANK == 0)
    splits = load_tokens(arguments.tokens)
    longest = max(max(split["length"]) for split in splits.values())
    check_positions(arguments.model, longest, "the longest row has", SHORTER)
    hashes = input_hashes(arguments.model, arguments.tokens) if ranks.RANK == 0 else {}
    validation = Examples(splits["validation"], settings.loss_on)
    learned = Examples(training_rows(splits, settings), settings.loss_on)
    settings = resolve_micro_batch(settings, arguments.micro_batch)

    model = prepare_model(method, arguments.model, modules, settings)
    interruption = Interruption()
    interruption.listen()
    trainer = training.make_trainer(
        model, learned, validation, settings, arguments.checkpoints, interruption, arguments.curve
    )
    del model  # only the trainer refers to it now, and releases it before the output is read back
    identity = item_key(method=method, settings=asdict(settings), modules=modules, ranks=ranks.RANKS, **hashes)
    if ranks.broadcast((waited or locking.waited_for_job) and is_output_of(arguments.output, identity)):
        if ranks.RANK == 0:
            print(f"{arguments.output}: made by the job that this one waited for", file=sys.stderr)
        return 0
    resumed = checkpoints.find_resumable(arguments.checkpoints, identity)
    if resumed and ranks.RANK == 0:
        print(f"going on from {resumed}", file=sys.stderr)
    seconds = run_training(trainer, resumed)
    if trainer.state.global_step < trainer.state.max_steps:
        if ranks.RANK == 0:
            step = f"{trainer.state.global_step:,}"
            print(f"stopped by a signal after step {step}; run it again to go on", file=sys.stderr)
        return ranks.INTERRUPTED
    made = {"method": method, "identity": identity, "inputs": hashes, "base": origin}
    made |= {"recipe": arguments.tokens.name, "languages": sorted(splits["train"].unique("lang"))}
    write_output(arguments, settings, trainer, validation, made, companions, seconds, resumed)
    if ranks.RANK == 0:
        shutil.rmtree(arguments.checkpoints, ignore_errors=True)
        lock.close()
    return 0


def write_output(
    arguments: argparse.Namespace,
    settings: Settings,
    trainer,
    validation: Examples,
    made: dict,
    companions: Companions,
    seconds: float,
    resumed: Path | None,
) -> None:
    """Write the weights, training.json, which holds `made` and the `training_record`, and the tokenizer and card that
    make them usable anywhere; read the weights back.

    All ranks must call it; rank 0 writes. The trainer's memory is released.
    """
    method, modules = arguments.method, arguments.adapter_modules
    trainer.model.config.use_cache = True
    if ranks.RANK > 0:
        saving.save_weights(trainer, method, modules, arguments.model, None)
        training.release_memory(trainer)
        return
    with beside(arguments.output) as folder:
        folder.mkdir()
        saving.save_weights(trainer, method, modules, arguments.model, folder)
        if method == "lora":
            saving.check_saved_adapter(folder, trainer.work.trained)
        report = made | training_record(trainer, settings, len(validation), seconds, resumed)
        training.release_memory(trainer)
        kept = report["best" if settings.validation == "held-out" else "final"]
        report["reloaded"] = {"validation_loss": reloaded_loss(method, arguments.model, folder, validation, settings)}
        saving.check_reloaded_loss(report["reloaded"]["validation_loss"], kept["validation_loss"], settings.precision)
        write_json(folder / "training.json", report)
        companions.save(folder, report)
    print(
        f"{arguments.output}: {report['steps']:,} steps, {report['tokens']:,} tokens in {seconds:.1f} s; "
        f"validation loss {kept['validation_loss']:.4f} at step {kept['step']:,}",
        file=sys.stderr,
    )


def is_output_of(output: Path, identity: str) -> bool:
    """Whether the output is that of the training with this identity, not of one with other settings or inputs."""
    report = output / "training.json"
    return report.exists() and read_json(report, fields=()).get("identity") == identity


def reloaded_loss(method: str, base: Path, folder: Path, validation: Examples, settings: Settings) -> float:
    """Validation loss of the weights on disk."""
    model = load_tuned(method, base, folder, settings.precision)
    return saving.mean_loss(model, validation, int(settings.micro_batch_tokens), settings.precision)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", required=True, choices=("lora", "full"), help="train an adapter, or all parameters")
    parser.add_argument("--model", required=True, type=Path, help="folder of the base model")
    parser.add_argument("--tokens", type=Path, help="tokenized recipe, from tokenize_recipe.py")
    parser.add_argument("--tokenizer", type=Path, metavar="FOLDER", help="tokenizer of the recipe, for the output")
    parser.add_argument("--template", type=Path, help="prompt template of the recipe, for the output")
    parser.add_argument("--adapter-modules", nargs="*", default=[], metavar="NAME", help="modules that LoRA adapts")
    parser.add_argument("--settings", required=True, metavar="JSON", help="object or file, see above")
    parser.add_argument("--micro-batch", type=Path, metavar="FILE", help="output of micro_batch.py")
    parser.add_argument("--checkpoints", required=True, type=Path, help="folder for the checkpoints of this run only")
    parser.add_argument(
        "--curve", type=Path, metavar="FILE", help="CSV file of the losses, which grows during training"
    )
    parser.add_argument("--accelerator", choices=device.ACCELERATORS, help=device.HELP)
    parser.add_argument(
        "--rehearse",
        type=int,
        metavar="LENGTH",
        help=f"take {REHEARSED_STEPS} steps on rows of this many tokens and write the peak memory to --output (JSON)",
    )
    parser.add_argument("--output", required=True, type=Path, help="folder of the adapter or the model")
    arguments = parser.parse_args()
    if not (arguments.tokens or arguments.rehearse):
        parser.error("give --tokens, or --rehearse")
    try:
        settings = read_settings(Settings, arguments.settings)
        device.use_device(arguments.accelerator, ranks.RANKS_HERE)
        status = rehearse(arguments, settings) if arguments.rehearse else train(arguments, settings)
    except ranks.RankError:
        raise
    except InputError:
        if ranks.LOCAL_RANK == 0:
            raise
        ranks.leave_report_to_first()  # every rank of the node has the same fault, and one line is enough
        sys.exit(1)
    except RuntimeError as error:
        if ranks.lost_peer(error):
            sys.exit(1)
        if not (line := out_of_memory_fault(error)):
            raise
        raise ranks.RankError(line) from None
    ranks.leave_group()
    sys.exit(status)


if __name__ == "__main__":
    ranks.follow_launcher()
    hand_over(ranks.LAUNCHER)  # whose child the fork is not
    command_line(main)
