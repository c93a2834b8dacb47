"""Tune a base model on a tokenized recipe: LoRA adapters by PEFT, or all parameters, by DeepSpeed ZeRO if set.

One process trains alone; for N ranks launch it by torchrun:

  train.py --method lora ...
  torchrun --standalone --nproc_per_node 2 workflow/scripts/train.py --method full ...

The optimizer step is the unit: it takes exactly `batch` examples whatever the number of ranks, cut by length into
micro-batches of at most `micro_batch_tokens` tokens. The loss is the mean over the labels of the whole step.
The checkpoint with the least validation loss (mean over labels) is kept. A killed run goes on from its last
checkpoint in --checkpoints and ends with the same weights as an unbroken one; checkpoints made with other settings,
weights or data are thrown away, and all of them once the output is written. On SIGTERM or SIGUSR1, as a cluster sends
before it takes the node back, it finishes its step, writes a checkpoint and exits with status 75.

--settings: batch, micro_batch_tokens, epochs, learning_rate, warmup (steps, or below 1 a share), schedule (linear,
cosine), weight_decay, loss_on (all, response), evaluate_every (steps), precision (bf16, fp32), seed, and optionally
lora {rank, alpha, dropout}, zero_stage (null, 2, 3), gradient_checkpointing (false).
"""

import argparse
import json
import math
import os
import resource
import shutil
import signal
import sys
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import flops
import language_models
from files import InputError, beside, command_line, sha256, write_json
from journal import item_key
from labelled_loss import NO_LABEL, give_summed_loss
from settings import read_settings
from steps import FILLER, StepSampler

RANK, RANKS = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))  # as torchrun sets them
INTERRUPTED = os.EX_TEMPFAIL  # 75: nothing is wrong, run it again
WHOLE = "whole"  # a file that is written into a checkpoint last, when every rank has saved its part
CURVE_POINTS = 500  # of the training loss, at most


@dataclass(frozen=True)
class Settings:
    """How to tune; see the program's help. Raises InputError for a value out of range."""

    batch: int
    micro_batch_tokens: int
    epochs: int
    learning_rate: float
    warmup: float
    schedule: str
    weight_decay: float
    loss_on: str
    evaluate_every: int
    precision: str
    seed: int
    lora: dict | None = None
    zero_stage: int | None = None
    gradient_checkpointing: bool = False

    def __post_init__(self):
        choices = {
            "schedule": ("linear", "cosine"),
            "loss_on": ("all", "response"),
            "precision": ("bf16", "fp32"),
            "zero_stage": (None, 2, 3),
        }
        for key, allowed in choices.items():
            if getattr(self, key) not in allowed:
                raise InputError(f"settings: {key} is {getattr(self, key)!r}, which is not one of {allowed}")
        for key in ("batch", "micro_batch_tokens", "epochs", "evaluate_every"):
            if getattr(self, key) < 1:
                raise InputError(f"settings: {key} is {getattr(self, key)}; it must be at least 1")


def check_method(method: str, settings: Settings, modules: list[str], model: Path) -> None:
    """Raise InputError when the settings do not suit the method, or an adapter module is not in the model."""
    if method == "full":
        if settings.zero_stage and "RANK" not in os.environ:
            raise InputError("settings: zero_stage needs ranks; launch by torchrun --standalone --nproc_per_node N")
        return
    if settings.zero_stage:
        raise InputError("settings: zero_stage is for the method full; an adapter is small, leave it null")
    if not settings.lora or set(settings.lora) != {"rank", "alpha", "dropout"}:
        raise InputError("settings: lora must hold rank, alpha and dropout")
    if not modules:
        raise InputError("--adapter-modules: name the modules that LoRA adapts")
    present = language_models.layer_modules(model)
    for module in modules:
        if module not in present:
            raise InputError(f"{model}: no module {module!r} to adapt; its layers have {', '.join(present)}")


def load_tokens(folder: Path) -> dict:
    """Read the splits of a tokenized recipe. Raises InputError when they are missing, damaged or empty."""
    from datasets import load_from_disk

    try:
        splits = load_from_disk(str(folder))
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{folder}: not a tokenized recipe ({reason}); run tokenize_recipe.py again") from None
    for split in ("train", "validation"):
        if split not in splits or len(splits[split]) == 0:
            raise InputError(f"{folder}: no rows in {split}; mend the recipe or recipe.validation_rows")
    return splits


class Examples:
    """Token ids and labels by row; FILLER gives an example without labels.

    The first token follows nothing, so it is never a label. Raises InputError when no row has one.
    """

    def __init__(self, rows, loss_on: str):
        self.lengths = list(rows["length"])
        self._rows = rows.select_columns(["input_ids"])
        self._unlabelled = [1 if loss_on == "all" else max(1, length) for length in rows["prompt_length"]]
        if all(length <= unlabelled for length, unlabelled in zip(self.lengths, self._unlabelled, strict=True)):
            raise InputError(f"no row has a token to learn with loss_on {loss_on}; raise tokenize.max_length")

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int | None) -> tuple[list[int], list[int]]:
        if index is FILLER:
            return [0], [NO_LABEL]
        ids, unlabelled = self._rows[index]["input_ids"], self._unlabelled[index]
        return ids, [NO_LABEL] * min(unlabelled, len(ids)) + ids[unlabelled:]


def collate(examples: list[tuple[list[int], list[int]]]) -> dict:
    """Pad examples on the right to one length; padding is masked and has no label, whatever its id."""
    import torch

    longest = max(len(ids) for ids, _ in examples)
    labels = torch.tensor([labels + [NO_LABEL] * (longest - len(labels)) for _, labels in examples])
    return {
        "input_ids": torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in examples]),
        "attention_mask": torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in examples]),
        "labels": labels,  # for the Trainer, which counts them and does not pass them on
        "targets": labels,  # for the model
    }


def step_loss(outputs, labels, num_items_in_batch=1):
    """A micro-batch's part of the step's loss: the sum over its labels, by the number of labels in the whole step."""
    import torch

    return outputs.loss / torch.as_tensor(num_items_in_batch).clamp(min=1)  # 0: every response was cut off


def deepspeed_config(settings: Settings) -> dict:
    """ZeRO without an optimizer of its own: the Trainer's AdamW is used, and nothing has to be compiled."""
    return {
        "zero_optimization": {
            "stage": settings.zero_stage,
            "stage3_gather_16bit_weights_on_model_save": True,
            "overlap_comm": False,
            "contiguous_gradients": True,
            "reduce_bucket_size": 5e7,
        },
        "bf16": {"enabled": settings.precision == "bf16"},
        "gradient_accumulation_steps": "auto",
        "train_micro_batch_size_per_gpu": "auto",
        "train_batch_size": "auto",
        "gradient_clipping": "auto",
        "steps_per_print": 1_000_000,
    }


def prepare_deepspeed() -> None:
    """Load DeepSpeed, without its shared-memory operator: it is compiled at the start even where it is not used."""
    import deepspeed  # noqa: F401

    # `deepspeed.comm.torch` as an attribute is PyTorch itself; the module of that name is only found here.
    sys.modules["deepspeed.comm.torch"].build_shm_op = lambda: None


def add_adapter(model, modules: list[str], settings: Settings):
    """Wrap `model` with a fresh LoRA adapter, kept in fp32."""
    from peft import LoraConfig, get_peft_model

    return get_peft_model(
        model,
        LoraConfig(
            r=settings.lora["rank"],
            lora_alpha=settings.lora["alpha"],
            lora_dropout=settings.lora["dropout"],
            target_modules=modules,
            bias="none",
            task_type="CAUSAL_LM",
        ),
    )


def training_arguments(settings: Settings, checkpoints: Path, sampler: StepSampler, on_cpu: bool):
    """The Trainer's arguments for these settings; its micro-batches are the sampler's, of any size."""
    from transformers import TrainingArguments

    return TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=sampler.accumulation,
        learning_rate=settings.learning_rate,
        warmup_steps=settings.warmup,
        lr_scheduler_type=settings.schedule,
        weight_decay=settings.weight_decay,
        bf16=settings.precision == "bf16",
        activation_checkpointing=settings.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False} if settings.gradient_checkpointing else None,
        seed=settings.seed,
        eval_strategy="steps",
        eval_steps=settings.evaluate_every,
        save_strategy="steps",
        save_steps=settings.evaluate_every,
        save_total_limit=2,  # the newest may be torn by a kill, so the one before stays; and the best
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_steps=max(1, sampler.steps * settings.epochs // CURVE_POINTS),
        logging_nan_inf_filter=False,
        label_names=["labels"],
        deepspeed=deepspeed_config(settings) if settings.zero_stage else None,
        ddp_find_unused_parameters=False,
        ddp_backend="gloo" if on_cpu and RANKS > 1 else None,
        use_cpu=on_cpu,
        dataloader_pin_memory=not on_cpu,
        disable_tqdm=True,
        report_to=[],
    )


class Interruption:
    """Whether a signal has asked any of the ranks to stop."""

    def __init__(self):
        self.asked = False

    def listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: object) -> None:
        self.asked = True

    def agreed(self, device) -> bool:
        """All ranks call it, at the same step: signals reach them at different ones."""
        if RANKS > 1:
            import torch

            asked = torch.tensor(int(self.asked), device=device)
            torch.distributed.all_reduce(asked, op=torch.distributed.ReduceOp.MAX)
            self.asked = bool(asked)
        return self.asked


class Work:
    """What a model's training costs, and on what it is run."""

    def __init__(self, model):
        import torch

        self.parameters = sum(parameter.numel() for parameter in model.parameters())
        self.trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
        self.device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"

    def flops(self, tokens: int) -> int:
        return flops.training_flops(self.parameters, self.trained, tokens)

    def utilisation(self, tokens: int, seconds: float) -> float | None:
        return flops.utilisation(self.flops(tokens), seconds, self.device, RANKS)

    def peak_memory(self) -> int:
        """Bytes of the GPU, or on a CPU of the whole process, of this rank."""
        import torch

        if torch.cuda.is_available():
            return torch.cuda.max_memory_allocated()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def make_trainer(model, splits: dict, settings: Settings, checkpoints: Path, interruption: Interruption):
    """A Trainer whose steps are those of StepSampler, and whose validation loss is exact."""
    import torch
    from torch.utils.data import DataLoader
    from tqdm import tqdm
    from transformers import PrinterCallback, Trainer, TrainerCallback

    train, validation = (Examples(splits[name], settings.loss_on) for name in ("train", "validation"))
    common = {"budget": settings.micro_batch_tokens, "seed": settings.seed, "rank": RANK, "ranks": RANKS}
    sampler = StepSampler(train.lengths, settings.batch, epochs=settings.epochs, **common)
    validation_sampler = StepSampler(validation.lengths, len(validation), **common)  # one "step" of all rows

    class StepTrainer(Trainer):
        """The Trainer, with its own sharding of data, evaluation and last checkpoint replaced."""

        step_sampler = sampler

        def get_train_dataloader(self):
            return DataLoader(train, batch_sampler=sampler, collate_fn=collate)

        def get_eval_dataloader(self, eval_dataset=None):
            return DataLoader(validation, batch_sampler=validation_sampler, collate_fn=collate)

        def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
            """Mean loss over all validation labels (the Trainer's is a mean of means over micro-batches)."""
            model = self.model_wrapped
            model.eval()
            total = torch.zeros(2, dtype=torch.float64, device=self.args.device)
            with torch.no_grad():
                for inputs in self.get_eval_dataloader():
                    inputs = self._prepare_inputs(inputs)
                    labels = inputs.pop("labels")
                    loss = model(**inputs).loss
                    total += torch.stack((loss.double(), (labels != NO_LABEL).sum().double()))
            loss, labels = self.accelerator.reduce(total).tolist()
            metrics = {"eval_loss": loss / max(labels, 1)}
            self.log(metrics)
            self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
            return metrics

        def _load_best_model(self):
            if self.state.best_global_step != self.state.global_step:  # else the best is the one at hand
                super()._load_best_model()

    class Course(TrainerCallback):
        """Keeps the data in step, marks whole checkpoints, stops on a loss that is no number, shows progress."""

        bar = None
        tokens = sampler.tokens_by_step

        def on_train_begin(self, args, state, control, **_):
            if state.is_world_process_zero:
                done = sum(self.tokens[: state.global_step])
                self.bar = tqdm(total=sum(self.tokens), initial=done, unit="token", unit_scale=True, mininterval=5)

        def on_epoch_begin(self, args, state, control, **_):
            # By count of steps: after a resume the loader of the Trainer would hide the sampler from its epoch.
            sampler.epoch = state.global_step // sampler.steps

        def on_step_end(self, args, state, control, **_):
            if state.global_step == state.max_steps:
                control.should_save = False  # the output follows at once
            elif interruption.agreed(args.device):
                control.should_save = control.should_training_stop = True
            if self.bar is not None:
                self.bar.update(self.tokens[state.global_step - 1])

        def on_log(self, args, state, control, logs, **_):
            loss = logs.get("loss", logs.get("eval_loss", 0.0))
            if not math.isfinite(loss):
                raise InputError(f"step {state.global_step}: the loss is {loss}; lower learning_rate or use bf16")
            if self.bar is not None and "loss" in logs:
                mfu = trainer.work.utilisation(self.bar.n - self.bar.initial, self.bar.format_dict["elapsed"])
                shown = {} if mfu is None else {"MFU": f"{mfu:.0%}"}
                step = f"{state.global_step:,}/{state.max_steps:,}"
                self.bar.set_postfix(step=step, loss=f"{loss:.3f}", **shown, refresh=False)

        def on_save(self, args, state, control, **_):
            if RANKS > 1:
                torch.distributed.barrier()
            if state.is_world_process_zero:
                (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()

        def on_train_end(self, args, state, control, **_):
            if self.bar is not None:
                self.bar.close()

    arguments = training_arguments(settings, checkpoints, sampler, on_cpu=not torch.cuda.is_available())
    trainer = StepTrainer(
        model=model,
        args=arguments,
        train_dataset=train,
        eval_dataset=validation,
        compute_loss_func=step_loss,
        callbacks=[Course()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.work = Work(model)
    return trainer


def resumable(checkpoints: Path, identity: str) -> Path | None:
    """The newest whole checkpoint of this very run; those of another (settings, weights, data, ranks) are removed."""
    mark = checkpoints / "run.json"
    if RANK == 0 and not (mark.is_file() and json.loads(mark.read_text(encoding="utf-8")) == identity):
        shutil.rmtree(checkpoints, ignore_errors=True)
        write_json(mark, identity)
    if RANKS > 1:
        import torch

        torch.distributed.barrier()
    whole = [path.parent for path in checkpoints.glob(f"checkpoint-*/{WHOLE}")]
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def save(trainer, method: str, modules: list[str], model: Path, folder: Path | None) -> None:
    """Write the weights into `folder`, safetensors alone. All ranks call it; the first one writes (others: None)."""
    state = None
    if trainer.is_deepspeed_enabled and trainer.args.hf_deepspeed_config.is_zero3():
        state = trainer.accelerator.get_state_dict(trainer.deepspeed)
    if folder is None:
        return
    if method == "full":
        for name in trainer.model.all_tied_weights_keys if state else ():
            state.pop(name, None)  # gathering has made copies of weights that are one
        trainer.model.save_pretrained(folder, state_dict=state)
        return
    adapter = trainer.model.peft_config["default"]
    adapter.base_model_name_or_path = model.name  # no path of this machine
    adapter.target_modules = sorted(modules)  # a set by now, whose order changes from run to run
    trainer.model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # an empty model card


def check_adapter(folder: Path, parameters: int) -> None:
    """Raise InputError when an adapter does not hold all that was trained, or something that training has not changed.

    Empty ones, of 443 bytes, are a known fault of training with PEFT (tloen/alpaca-lora #293, #334).
    """
    from safetensors import safe_open

    with safe_open(folder / "adapter_model.safetensors", framework="pt") as tensors:
        saved = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
    count = sum(tensor.numel() for tensor in saved.values())
    if count != parameters:
        raise InputError(
            f"the adapter holds {count:,} parameters and {parameters:,} were trained; check --adapter-modules and the"
            " version of PEFT"
        )
    untouched = [name for name, tensor in saved.items() if "lora_B" in name and not tensor.any()]
    if untouched:
        raise InputError(f"training left {untouched[0]} at zero; check learning_rate, warmup and the data")


def record(trainer, settings: Settings, splits: dict, hashes: dict, seconds: float, resumed: Path | None) -> dict:
    """What training.json says of the run."""
    state, sampler = trainer.state, trainer.step_sampler
    validation = [(entry["step"], entry["eval_loss"]) for entry in state.log_history if "eval_loss" in entry]
    training = [(entry["step"], entry["loss"]) for entry in state.log_history if "loss" in entry]
    best_step, best_loss = min(validation, key=lambda point: (point[1], point[0]))
    tokens = sampler.tokens_by_step
    start = int(resumed.name.rpartition("-")[2]) if resumed else 0
    here = sum(tokens[start:])
    mfu = trainer.work.utilisation(here, seconds)
    packages = ["torch", "transformers", "peft", "accelerate", "datasets", "deepspeed"]
    return {
        "settings": asdict(settings),
        "ranks": RANKS,
        "accumulation": sampler.accumulation,
        "steps": state.global_step,
        "best": {"step": best_step, "validation_loss": best_loss},
        "final": {"step": validation[-1][0], "validation_loss": validation[-1][1]},
        "losses": {"train": training, "validation": validation},
        "examples": len(sampler.lengths) * settings.epochs,
        "tokens": sum(tokens),
        "padded_tokens": sampler.padded_tokens(),
        "validation_rows": len(splits["validation"]),
        "parameters": trainer.work.parameters,
        "trained_parameters": trainer.work.trained,
        "flops": trainer.work.flops(sum(tokens)),
        "resumed_from_step": start or None,
        "seconds": round(seconds, 1),  # since then, as the next two
        "tokens_per_second": round(here / seconds, 1),
        "mfu": None if mfu is None else round(mfu, 4),
        "peak_memory": trainer.work.peak_memory(),
        "device": trainer.work.device,
        "versions": {package: version(package) for package in packages},
        "inputs": hashes,
    }


def end_ranks(settings: Settings) -> None:
    """Without a proper end a rank is now and then aborted after all is done, and the job counts as failed."""
    if RANKS > 1 or settings.zero_stage:
        import torch

        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def train(arguments: argparse.Namespace, settings: Settings) -> None:
    """Check the input, train, and write the output."""
    check_method(arguments.method, settings, arguments.adapter_modules, arguments.model)
    hashes = {
        "weights": language_models.weight_hashes(arguments.model),
        "tokens": {
            str(path.relative_to(arguments.tokens)): sha256(path) for path in sorted(arguments.tokens.rglob("*.arrow"))
        },
    }
    splits = load_tokens(arguments.tokens)

    import torch
    from transformers import set_seed

    if not torch.cuda.is_available():
        os.environ["DS_ACCELERATOR"] = "cpu"
    if settings.zero_stage:
        prepare_deepspeed()
    set_seed(settings.seed)
    adapting = arguments.method == "lora"
    # Master weights are fp32: the adapter's, or all of them where every parameter is trained.
    model = language_models.load_model(arguments.model, settings.precision if adapting else "fp32")
    model.config.use_cache = False
    give_summed_loss(model)
    if adapting:
        model = add_adapter(model, arguments.adapter_modules, settings)
    interruption = Interruption()
    interruption.listen()
    trainer = make_trainer(model, splits, settings, arguments.checkpoints, interruption)
    identity = item_key(
        method=arguments.method, settings=asdict(settings), modules=arguments.adapter_modules, ranks=RANKS, **hashes
    )
    resumed = resumable(arguments.checkpoints, identity)
    if resumed and RANK == 0:
        print(f"going on from {resumed}", file=sys.stderr)
    start = time.monotonic()
    trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    seconds = time.monotonic() - start
    if trainer.state.global_step < trainer.state.max_steps:
        end_ranks(settings)
        if RANK == 0:
            print(
                f"stopped by a signal after step {trainer.state.global_step:,}; run it again to go on", file=sys.stderr
            )
        sys.exit(INTERRUPTED)

    model.config.use_cache = True
    if RANK == 0:
        with beside(arguments.output) as folder:
            folder.mkdir()
            save(trainer, arguments.method, arguments.adapter_modules, arguments.model, folder)
            if adapting:
                check_adapter(folder, trainer.work.trained)
            report = {"method": arguments.method} | record(trainer, settings, splits, hashes, seconds, resumed)
            write_json(folder / "training.json", report)
    else:
        save(trainer, arguments.method, arguments.adapter_modules, arguments.model, None)
    end_ranks(settings)
    if RANK == 0:
        shutil.rmtree(arguments.checkpoints, ignore_errors=True)
        best = report["best"]
        print(
            f"{arguments.output}: {report['steps']:,} steps, {report['tokens']:,} tokens in {seconds:.1f} s; "
            f"validation loss {best['validation_loss']:.4f} at step {best['step']:,}",
            file=sys.stderr,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", required=True, choices=("lora", "full"))
    parser.add_argument("--model", required=True, type=Path, help="folder of the base model")
    parser.add_argument("--tokens", required=True, type=Path, help="tokenized recipe, from tokenize_recipe.py")
    parser.add_argument("--adapter-modules", nargs="*", default=[], metavar="NAME", help="modules that LoRA adapts")
    parser.add_argument("--settings", required=True, metavar="JSON", help="object or file, see above")
    parser.add_argument("--checkpoints", required=True, type=Path, help="folder of this run's checkpoints alone")
    parser.add_argument("--output", required=True, type=Path, help="folder of the adapter or the model")
    arguments = parser.parse_args()
    if RANKS == 1:  # one process, one GPU: else the Trainer would spread each micro-batch over all that it sees
        os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    try:
        train(arguments, read_settings(Settings, arguments.settings))
    except InputError:
        if RANK == 0:
            raise
        sys.exit(1)  # every rank meets the same fault, and one line of it is enough


if __name__ == "__main__":
    command_line(main)
