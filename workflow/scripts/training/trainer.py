"""The Hugging Face Trainer with steps of our own: which examples, which loss, which checkpoints."""

import csv
import math
import resource
import shutil
import signal
import sys
import time
from pathlib import Path

from basics.errors import InputError
from training import checkpoints, flops, ranks
from training.examples import NO_LABEL, NO_ROW, Examples, collate
from training.steps import StepSampler

PATIENCE = 7200  # seconds that ranks wait for one that reads or checks many gigabytes
CURVE_POINTS = 500  # of the training loss, at most
NAMED_ROWS = 8  # in a message, at most
CURVE_COLUMNS = ("step", "tokens", "seconds", "loss", "validation_loss", "learning_rate", "gradient_norm")


def step_loss(outputs, labels, num_items_in_batch=1):
    """A micro-batch's part of the step's loss: the sum over its labels, by the number of labels in the whole step."""
    import torch

    return outputs.loss / torch.as_tensor(num_items_in_batch).clamp(min=1)  # 0: every response was cut off


def deepspeed_config(settings, on_cpu: bool) -> dict:
    """ZeRO without an optimizer of its own: the Trainer's AdamW is used, and nothing has to be compiled."""
    zero = {
        "stage": settings.zero_stage,
        "stage3_gather_16bit_weights_on_model_save": True,
        "overlap_comm": not on_cpu,
        "contiguous_gradients": True,
        "reduce_bucket_size": 5e7,
    }
    host = {"device": "cpu", "pin_memory": not on_cpu}
    if settings.offload != "none":
        zero["offload_optimizer"] = host
    if settings.offload == "all":
        zero["offload_param"] = host
    return {
        "zero_optimization": zero,
        "zero_force_ds_cpu_optimizer": False,
        "bf16": {"enabled": settings.precision == "bf16"},
        "data_types": {"grad_accum_dtype": "fp32"},  # over many micro-batches bf16 would lose the small ones
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


def training_arguments(settings, folder: Path, sampler: StepSampler, on_cpu: bool):
    """The Trainer's arguments for these settings; its micro-batches are the sampler's, of any size."""
    from transformers import TrainingArguments

    held_out = settings.validation == "held-out"
    recompute = settings.activations == "recompute"
    steps = sampler.steps * settings.epochs
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=sampler.accumulation,
        learning_rate=settings.learning_rate,
        warmup_steps=settings.warmup,
        lr_scheduler_type=settings.schedule,
        weight_decay=settings.weight_decay,
        bf16=settings.precision == "bf16",
        activation_checkpointing=recompute,
        activation_checkpointing_kwargs={"use_reentrant": False} if recompute else None,
        seed=settings.seed,
        eval_strategy="steps",
        eval_steps=settings.evaluate_every if held_out else steps,
        save_strategy="steps",
        save_steps=settings.evaluate_every,
        load_best_model_at_end=held_out,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_steps=max(1, steps // CURVE_POINTS),
        logging_nan_inf_filter=False,
        label_names=["labels"],
        deepspeed=deepspeed_config(settings, on_cpu) if settings.zero_stage else None,
        ddp_find_unused_parameters=False,
        ddp_timeout=PATIENCE,
        ddp_backend="gloo" if on_cpu and ranks.RANKS > 1 else None,
        use_cpu=on_cpu,
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
        if ranks.RANKS > 1:
            import torch

            asked = torch.tensor(int(self.asked), device=device)
            torch.distributed.all_reduce(asked, op=torch.distributed.ReduceOp.MAX)
            self.asked = bool(asked)
        return self.asked


class Clock:
    """Seconds of training, those before an interruption included: checkpoints keep them. What an interruption makes
    be done again counts once."""

    def __init__(self):
        self.start(None)

    def start(self, resumed: Path | None) -> None:
        self._before = checkpoints.seconds_of(resumed) if resumed else 0.0
        self._began = time.monotonic()

    def seconds(self) -> float:
        return self._before + time.monotonic() - self._began


class Work:
    """What a model's training costs, and on what it is run. Make it before ZeRO takes the model apart."""

    def __init__(self, model):
        import torch

        self.parameters = sum(parameter.numel() for parameter in model.parameters())
        self.trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
        self.device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"

    def flops(self, tokens: int) -> int:
        return flops.training_flops(self.parameters, self.trained, tokens)

    def utilisation(self, tokens: int, seconds: float) -> float | None:
        return flops.utilisation(self.flops(tokens), seconds, self.device, ranks.RANKS)

    def peak_memory(self) -> int:
        """Bytes of the GPU, or on a CPU of the whole process, of this rank."""
        import torch

        if torch.cuda.is_available():
            return torch.cuda.max_memory_reserved()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Curve:
    """The losses as a CSV file that grows with the training; a training that goes on drops what it does again."""

    def __init__(self, path: Path, from_step: int):
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = []
        if from_step and path.exists():
            with path.open(encoding="utf-8", errors="replace", newline="") as stream:
                # A kill may have torn the last one.
                rows = [row for row in csv.DictReader(stream) if None not in row.values()]
                kept = [row for row in rows if row.get("step", "").isdecimal() and int(row["step"]) <= from_step]
        self._stream = path.open("w", encoding="utf-8", newline="")
        self._table = csv.DictWriter(self._stream, CURVE_COLUMNS, lineterminator="\n", extrasaction="ignore")
        self._table.writeheader()
        self._table.writerows(kept)

    def add(self, step: int, tokens: int, seconds: float, logs: dict) -> None:
        names = {"loss": "loss", "eval_loss": "validation_loss", "grad_norm": "gradient_norm"}
        values = {names.get(name, name): value for name, value in logs.items()}
        self._table.writerow({"step": step, "tokens": tokens, "seconds": round(seconds, 1), **values})
        self._stream.flush()


def make_trainer(model, train: Examples, validation: Examples, settings, folder: Path, interruption: Interruption):
    """A Trainer whose steps are those of StepSampler, and whose validation loss is exact. Checkpoints go to `folder`;
    `curve`, if set, is written to."""
    import torch
    from safetensors import SafetensorError
    from torch.utils.data import DataLoader
    from tqdm import tqdm
    from transformers import PrinterCallback, Trainer, TrainerCallback

    on_cpu = not torch.cuda.is_available()
    common = {"budget": settings.micro_batch_tokens, "seed": settings.seed, "rank": ranks.RANK, "ranks": ranks.RANKS}
    sampler = StepSampler(train.lengths, settings.batch, epochs=settings.epochs, **common)
    validation_sampler = StepSampler(validation.lengths, len(validation), **common)  # one "step" of all rows

    class StepTrainer(Trainer):
        """The Trainer, with its own sharding of data, evaluation and last checkpoint replaced."""

        step_sampler = sampler
        curve: Curve | None = None
        seen: list  # (loss, rows) of the step's micro-batches so far

        def get_train_dataloader(self):
            self.seen = []
            return DataLoader(train, batch_sampler=sampler, collate_fn=collate, pin_memory=not on_cpu)

        def get_eval_dataloader(self, eval_dataset=None):
            return DataLoader(validation, batch_sampler=validation_sampler, collate_fn=collate, pin_memory=not on_cpu)

        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            rows = inputs.pop("rows")
            loss = super().compute_loss(model, inputs, num_items_in_batch=num_items_in_batch)
            self.seen.append((loss.detach(), rows))
            if self.accelerator.gradient_state.sync_gradients:  # the step's last: looked at once, before it has effect
                self.check_losses()
            return loss

        def check_losses(self) -> None:
            """Stop at a loss that is no number, before the step has changed the weights."""
            losses = torch.stack([loss for loss, _ in self.seen])
            if not losses.isfinite().all():
                wrong = [rows for loss, rows in self.seen if not loss.isfinite()]
                names = [train.name(row) for row in torch.cat(wrong).tolist() if row != NO_ROW]
                more = f" and {len(names) - NAMED_ROWS} more" if len(names) > NAMED_ROWS else ""
                raise ranks.RankError(
                    f"step {self.state.global_step + 1}: the loss is {losses.sum().item()}, on rows"
                    f" {', '.join(names[:NAMED_ROWS])}{more}; look at them, lower learning_rate or use bf16"
                    f" ({self.last_good()})"
                )
            self.seen.clear()

        def _clip_grad_norm(self, model):
            norm = super()._clip_grad_norm(model)
            if norm is not None and not math.isfinite(norm):
                raise InputError(
                    f"step {self.state.global_step + 1}: the gradient's norm is {float(norm)} though the loss is a"
                    f" number; lower learning_rate or use bf16 ({self.last_good()})"
                )
            return norm

        def last_good(self) -> str:
            last = checkpoints.newest(folder)
            return f"the last checkpoint, {last}, stands" if last else "there is no checkpoint yet"

        def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
            """Mean loss over all validation labels (the Trainer's is a mean of means over micro-batches)."""
            model = self.model_wrapped
            model.eval()
            total = torch.zeros(2, dtype=torch.float64, device=self.args.device)
            with torch.no_grad():
                for inputs in self.get_eval_dataloader():
                    inputs = self._prepare_inputs({name: inputs[name] for name in inputs if name != "rows"})
                    labels = inputs.pop("labels")
                    loss = model(**inputs).loss
                    total += torch.stack((loss.double(), (labels != NO_LABEL).sum().double()))
            loss, labels = self.accelerator.reduce(total).tolist()
            if not math.isfinite(loss):
                raise InputError(
                    f"step {self.state.global_step}: the validation loss is {loss}; lower learning_rate or use bf16"
                    f" ({self.last_good()})"
                )
            metrics = {"eval_loss": loss / max(labels, 1)}
            self.log(metrics)
            self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
            return metrics

        def _save_checkpoint(self, model, trial):
            try:
                super()._save_checkpoint(model, trial)
            except (torch.OutOfMemoryError, torch.distributed.DistError):
                raise
            except (OSError, RuntimeError, SafetensorError) as error:
                if ranks.lost_peer(error):
                    raise
                torn = folder / f"checkpoint-{self.state.global_step}"
                shutil.rmtree(torn, ignore_errors=True)  # what it took is room again
                reason = " ".join(str(error).split())[:200]
                raise ranks.RankError(
                    f"{torn}: the checkpoint cannot be written ({reason}); make room and run again: {self.last_good()}"
                ) from error

        def _load_best_model(self):
            if self.state.best_global_step != self.state.global_step:  # else the best is the one at hand
                super()._load_best_model()

    class Course(TrainerCallback):
        """Keeps the data in step, marks whole checkpoints, stops on a signal, shows progress."""

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
            if self.bar is None or not {"loss", "eval_loss"} & logs.keys():  # at the end there is a summary
                return
            if trainer.curve:
                trainer.curve.add(state.global_step, self.bar.n, trainer.clock.seconds(), logs)
            if "loss" in logs:
                mfu = trainer.work.utilisation(self.bar.n - self.bar.initial, self.bar.format_dict["elapsed"])
                shown = {} if mfu is None else {"MFU": f"{mfu:.0%}"}
                step = f"{state.global_step:,}/{state.max_steps:,}"
                self.bar.set_postfix(step=step, loss=f"{logs['loss']:.3f}", **shown, refresh=False)

        def on_save(self, args, state, control, **_):
            ranks.barrier()
            if state.is_world_process_zero:
                checkpoints.mark_whole(folder / f"checkpoint-{state.global_step}", trainer.clock.seconds())
                checkpoints.prune(folder, state.best_model_checkpoint)

        def on_train_end(self, args, state, control, **_):
            if self.bar is not None:
                self.bar.close()

    arguments = training_arguments(settings, folder, sampler, on_cpu)
    trainer = StepTrainer(
        model=model,
        args=arguments,
        train_dataset=train,
        eval_dataset=validation,
        compute_loss_func=step_loss,
        callbacks=[Course()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.work, trainer.clock = Work(model), Clock()
    return trainer


def release(trainer) -> None:
    """Give up the memory of model and optimizer, and ZeRO's hold on how models are loaded, for what comes after."""
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    unset_hf_deepspeed_config()  # under stage 3 it would share out every model loaded, and wait for all ranks
    trainer.accelerator.free_memory()
    held = ("model", "model_wrapped", "deepspeed", "optimizer", "lr_scheduler", "train_dataloader")
    for holder in (trainer, trainer.callback_handler):
        for name in held:
            setattr(holder, name, None)
    trainer.accelerator.free_memory()  # once more: only now is there nothing that holds it
