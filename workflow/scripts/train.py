"""Tune a base model on a tokenized recipe: LoRA adapters by PEFT, or all parameters, by DeepSpeed ZeRO if set.

One process trains alone; N ranks, on one node or several, are started by torchrun or by launch.py:

  train.py --method lora ...
  launch.py --ranks 2 train.py --method full ...

The optimizer step is the unit: it takes exactly `batch` examples whatever the number of ranks, cut by length into
micro-batches of at most `micro_batch_tokens` tokens. The loss is the mean over the labels of the whole step.
The checkpoint with the least validation loss (mean over labels) is kept. A killed run goes on from its last whole
checkpoint in --checkpoints and ends with the same weights as an unbroken one; checkpoints made with other settings,
weights or data are thrown away, and all of them once the output is written. On SIGTERM or SIGUSR1, as a cluster sends
before it takes the node back, it finishes its step, writes a checkpoint and exits with status 75. What is written is
read again, and must have the validation loss that was recorded.

--settings: batch, micro_batch_tokens (or auto, with --micro-batch), epochs, learning_rate, warmup (steps, or below 1 a
share), schedule (linear, cosine), weight_decay, loss_on (all, response), evaluate_every (steps), precision (bf16,
fp32), seed, and optionally lora {rank, alpha, dropout, adapter (lora, dora)}, validation (held-out; none: the held-out
rows are trained on as well, and the last weights are kept), zero_stage (null, 2, 3), offload (none, optimizer; all,
with stage 3: parameters as well) to the memory of the host, activations (keep; recompute: less memory, a third more
time).
"""

import argparse
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
from models import language_models
from models.tuned import load_tuned
from training import checkpoints, ranks, saving
from training import trainer as training
from training.examples import Examples, load_tokens, rehearsal
from training.settings import Settings, check_method

REHEARSED_STEPS = 2  # the second one has the optimizer's state in memory from its beginning


def check_input(method: str, settings: Settings, modules: list[str], model: Path) -> None:
    """Raise InputError when the settings do not suit the method, or an adapter module is not in the model."""
    present = language_models.layer_modules(model)  # which reads every weights file's header
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


def with_micro_batch(settings: Settings, path: Path | None) -> Settings:
    """Settings whose micro_batch_tokens are a number: their own, or the one that micro_batch.py found.

    Raises InputError when none was found, or on a GPU with more memory than this one has.
    """
    import torch

    if settings.micro_batch_tokens != "auto":
        return settings
    if path is None:
        raise InputError(
            "settings: micro_batch_tokens is auto; give --micro-batch, the file that micro_batch.py writes"
        )
    found = read_json(path, {"tokens": int}, "remove it, and it is found again")
    if torch.cuda.is_available():
        memory, needed = (
            torch.cuda.get_device_properties(ranks.LOCAL_RANK).total_memory,
            found.get("device_memory") or 0,
        )
        if memory < 0.98 * needed:  # drivers differ in what they keep for themselves
            raise InputError(
                f"{path}: found on {found['device']} with {needed / 2**30:.0f} GiB, and this GPU has"
                f" {memory / 2**30:.0f}; ask for one kind of GPU, or set micro_batch_tokens to a number"
            )
    return replace(settings, micro_batch_tokens=found["tokens"])


def add_adapter(model, modules: list[str], settings: Settings):
    """Wrap `model` with a fresh LoRA adapter, kept in fp32."""
    from peft import LoraConfig, get_peft_model

    assert settings.lora  # which check_method has seen to
    return get_peft_model(
        model,
        LoraConfig(
            r=settings.lora["rank"],
            lora_alpha=settings.lora["alpha"],
            lora_dropout=settings.lora["dropout"],
            target_modules=modules,
            use_dora=settings.lora.get("adapter") == "dora",
            bias="none",
            task_type="CAUSAL_LM",
        ),
    )


def prepare_model(method: str, path: Path, modules: list[str], settings: Settings):
    """The model to train, whose loss is a sum over labels."""
    import torch
    from transformers import set_seed

    from training.labelled_loss import give_summed_loss

    if not torch.cuda.is_available():
        os.environ["DS_ACCELERATOR"] = "cpu"
    if settings.zero_stage:
        training.prepare_deepspeed()
    set_seed(settings.seed)
    # ZeRO makes its fp32 copy of weights in the precision of the arithmetic; without it, trained weights are fp32.
    master = method == "full" and not settings.zero_stage
    model = language_models.load_model(path, "fp32" if master else settings.precision)
    model.config.use_cache = False
    give_summed_loss(model)
    return add_adapter(model, modules, settings) if method == "lora" else model


def input_hashes(model: Path, tokens: Path) -> dict[str, dict[str, str]]:
    """SHA-256 of what is learned from, by file."""
    data = {str(path.relative_to(tokens)): sha256(path) for path in sorted(tokens.rglob("*.arrow"))}
    return {"weights": language_models.weight_hashes(model), "tokens": data}


def record(trainer, settings: Settings, validation_rows: int, seconds: float, resumed: Path | None) -> dict:
    """What training.json says of the run."""
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
        "seconds": round(seconds, 1),  # with those before an interruption, as the next two
        "tokens_per_second": round(sum(tokens) / seconds, 1),
        "mfu": None if mfu is None else round(mfu, 4),
        "peak_memory": work.peak_memory(),  # of the first rank, since it went on
        "device": work.device,
        "versions": {package: version(package) for package in packages},
    }


def learn(trainer, resumed: Path | None) -> float:
    """Run the training and return its seconds, with those before the checkpoint that it goes on from."""
    trainer.clock.start(resumed)
    trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    return trainer.clock.seconds()


def out_of_memory(error: Exception) -> str | None:
    """What to do when a GPU's memory was too small, in one line; None for another fault."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(error, torch.OutOfMemoryError):
        return None
    return (
        f"out of memory on the GPU ({str(error).splitlines()[0]}); lower micro_batch_tokens, let activations be"
        " recomputed, offload, or ask for more ranks (config: train, compute)"
    )


def rehearse(arguments: argparse.Namespace, settings: Settings) -> None:
    """Take REHEARSED_STEPS steps of one micro-batch a rank, as large as the settings allow, and write what memory it
    took. Nothing else is kept."""
    check_input(arguments.method, settings, arguments.adapter_modules, arguments.model)
    import torch

    rows = ranks.RANKS * max(1, settings.micro_batch_tokens // arguments.rehearse)
    settings = replace(settings, batch=rows, epochs=1, validation="none", loss_on="all")
    model = prepare_model(arguments.method, arguments.model, arguments.adapter_modules, settings)
    train, validation = (
        Examples(rehearsal(arguments.rehearse, count), "all") for count in (REHEARSED_STEPS * rows, ranks.RANKS)
    )
    trainer = training.make_trainer(model, train, validation, settings, arguments.checkpoints, training.Interruption())
    learn(trainer, None)
    peak = torch.tensor(trainer.work.peak_memory(), device=trainer.args.device)
    if ranks.RANKS > 1:
        torch.distributed.all_reduce(peak, op=torch.distributed.ReduceOp.MAX)
    cuda = torch.cuda.is_available()
    found = {
        "peak_memory": peak.item(),
        "device": trainer.work.device,
        "device_memory": torch.cuda.get_device_properties(0).total_memory if cuda else None,
    }
    if ranks.RANK == 0:
        write_json(arguments.output, found)


def rows_to_learn(splits: dict, settings: Settings):
    """The training rows, and without validation the held-out ones too."""
    if settings.validation == "held-out":
        return splits["train"]
    from datasets import concatenate_datasets

    return concatenate_datasets([splits["train"], splits["validation"]])


def train(arguments: argparse.Namespace, settings: Settings) -> int:
    """Check the input, train, write the output and read it again; return the status to exit with."""
    method, modules = arguments.method, arguments.adapter_modules
    check_input(method, settings, modules, arguments.model)
    lock, waited = locking.hold_for_ranks(Path(f"{arguments.checkpoints}.lock"), ranks.owner(), ranks.RANK == 0)
    splits = load_tokens(arguments.tokens)
    hashes = input_hashes(arguments.model, arguments.tokens) if ranks.RANK == 0 else {}
    validation = Examples(splits["validation"], settings.loss_on)
    learned = Examples(rows_to_learn(splits, settings), settings.loss_on)
    settings = with_micro_batch(settings, arguments.micro_batch)

    model = prepare_model(method, arguments.model, modules, settings)
    interruption = training.Interruption()
    interruption.listen()
    trainer = training.make_trainer(
        model, learned, validation, settings, arguments.checkpoints, interruption, arguments.curve
    )
    del model  # the trainer's alone, which gives it up before the output is read again
    identity = item_key(method=method, settings=asdict(settings), modules=modules, ranks=ranks.RANKS, **hashes)
    if ranks.agree((waited or locking.waited_for_job) and is_made(arguments.output, identity)):
        if ranks.RANK == 0:
            print(f"{arguments.output}: made by the job that this one waited for", file=sys.stderr)
        return 0
    resumed = checkpoints.resumable(arguments.checkpoints, identity)
    if resumed and ranks.RANK == 0:
        print(f"going on from {resumed}", file=sys.stderr)
    seconds = learn(trainer, resumed)
    if trainer.state.global_step < trainer.state.max_steps:
        if ranks.RANK == 0:
            step = f"{trainer.state.global_step:,}"
            print(f"stopped by a signal after step {step}; run it again to go on", file=sys.stderr)
        return ranks.INTERRUPTED
    made = {"method": method, "identity": identity, "inputs": hashes}
    write_output(arguments, settings, trainer, validation, made, seconds, resumed)
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
    seconds: float,
    resumed: Path | None,
) -> None:
    """Write the weights, and training.json: `made`, and what `record` says; then read the weights again.

    All ranks call it; the first one writes. The trainer's memory is released.
    """
    method, modules = arguments.method, arguments.adapter_modules
    trainer.model.config.use_cache = True
    if ranks.RANK > 0:
        saving.save(trainer, method, modules, arguments.model, None)
        training.release(trainer)
        return
    with beside(arguments.output) as folder:
        folder.mkdir()
        saving.save(trainer, method, modules, arguments.model, folder)
        if method == "lora":
            saving.check_adapter(folder, trainer.work.trained)
        report = made | record(trainer, settings, len(validation), seconds, resumed)
        training.release(trainer)
        kept = report["best" if settings.validation == "held-out" else "final"]
        report["reloaded"] = {"validation_loss": reloaded_loss(method, arguments.model, folder, validation, settings)}
        saving.check_loss(report["reloaded"]["validation_loss"], kept["validation_loss"], settings.precision)
        write_json(folder / "training.json", report)
    print(
        f"{arguments.output}: {report['steps']:,} steps, {report['tokens']:,} tokens in {seconds:.1f} s; "
        f"validation loss {kept['validation_loss']:.4f} at step {kept['step']:,}",
        file=sys.stderr,
    )


def is_made(output: Path, identity: str) -> bool:
    """Whether the output is of this very training, not of one with other settings or inputs."""
    report = output / "training.json"
    return report.exists() and read_json(report, fields=()).get("identity") == identity


def reloaded_loss(method: str, base: Path, folder: Path, validation: Examples, settings: Settings) -> float:
    """Validation loss of the weights on disk."""
    model = load_tuned(method, base, folder, settings.precision)
    return saving.mean_loss(model, validation, int(settings.micro_batch_tokens), settings.precision)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", required=True, choices=("lora", "full"))
    parser.add_argument("--model", required=True, type=Path, help="folder of the base model")
    parser.add_argument("--tokens", type=Path, help="tokenized recipe, from tokenize_recipe.py")
    parser.add_argument("--adapter-modules", nargs="*", default=[], metavar="NAME", help="modules that LoRA adapts")
    parser.add_argument("--settings", required=True, metavar="JSON", help="object or file, see above")
    parser.add_argument("--micro-batch", type=Path, metavar="FILE", help="output of micro_batch.py")
    parser.add_argument("--checkpoints", required=True, type=Path, help="folder of this run's checkpoints alone")
    parser.add_argument("--curve", type=Path, metavar="FILE", help="CSV file of the losses, which grows as it trains")
    parser.add_argument(
        "--rehearse",
        type=int,
        metavar="LENGTH",
        help=f"take {REHEARSED_STEPS} steps on rows of so many tokens, and write to --output (JSON) their memory",
    )
    parser.add_argument("--output", required=True, type=Path, help="folder of the adapter or the model")
    arguments = parser.parse_args()
    if not (arguments.tokens or arguments.rehearse):
        parser.error("give --tokens, or --rehearse")
    ranks.follow_launcher()
    if ranks.RANKS == 1:  # one process, one GPU: else the Trainer would spread each micro-batch over all that it sees
        os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    try:
        settings = read_settings(Settings, arguments.settings)
        status = rehearse(arguments, settings) if arguments.rehearse else train(arguments, settings)
    except ranks.RankError:
        raise
    except InputError:
        if ranks.LOCAL_RANK == 0:
            raise
        sys.exit(1)  # every rank of a node meets the same fault, and one line of it is enough
    except RuntimeError as error:
        if ranks.lost_peer(error):
            sys.exit(1)
        if not (line := out_of_memory(error)):
            raise
        raise ranks.RankError(line) from None
    ranks.end()
    sys.exit(status)


if __name__ == "__main__":
    command_line(main)
