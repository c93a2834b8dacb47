"""Making a Hugging Face Trainer with our own steps: which examples, which loss, which checkpoints."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from training import ranks
from training.examples import Examples, collate
from training.instruments import Clock, Interruption, Work
from training.steps import StepSampler
from training.trackers import run_name, trackers_of

if TYPE_CHECKING:
    from training.step_trainer import StepTrainer

PATIENCE = 7200  # seconds that ranks wait for one that is reading or checking many gigabytes
CURVE_POINTS = 500  # at most, of the training loss


def deepspeed_config(settings, on_cpu: bool) -> dict:
    """A DeepSpeed configuration of ZeRO alone: the optimizer is the Trainer's AdamW, so nothing has to be compiled."""
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
        "data_types": {"grad_accum_dtype": "fp32"},  # bf16 would round away small gradients over many micro-batches
        "gradient_accumulation_steps": "auto",
        "train_micro_batch_size_per_gpu": "auto",
        "train_batch_size": "auto",
        "gradient_clipping": "auto",
        "steps_per_print": 1_000_000,
    }


def prepare_deepspeed() -> None:
    """Import DeepSpeed without its shared-memory operator, which it would compile at start even if it is not used."""
    import deepspeed  # noqa: F401

    # The attribute `deepspeed.comm.torch` is PyTorch itself; only here can the module of that name be found.
    sys.modules["deepspeed.comm.torch"].__dict__["build_shm_op"] = lambda: None


def training_arguments(settings, folder: Path, sampler: StepSampler, on_cpu: bool, curve: Path | None):
    """The Trainer's arguments for these settings. The sampler makes the micro-batches, which may be of any size."""
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
        report_to=trackers_of(curve) if curve else [],
        run_name=run_name(curve) if curve else None,
    )


def make_trainer(
    model,
    train: Examples,
    validation: Examples,
    settings,
    folder: Path,
    interruption: Interruption,
    curve: Path | None = None,
) -> "StepTrainer":
    """A Trainer that takes the steps of a StepSampler and computes the exact validation loss.

    Checkpoints go to `folder`, and the losses to the file `curve` and to the services that are asked for (trackers.py).
    """
    import torch
    from torch.utils.data import DataLoader

    from training.callback import TrainingCallback
    from training.step_trainer import StepTrainer

    on_cpu = not torch.cuda.is_available()

    def loader(examples: Examples, sampler: StepSampler) -> DataLoader:
        return DataLoader(examples, batch_sampler=sampler, collate_fn=collate, pin_memory=not on_cpu)

    common = {"budget": settings.micro_batch_tokens, "seed": settings.seed, "rank": ranks.RANK, "ranks": ranks.RANKS}
    sampler = StepSampler(train.lengths, settings.batch, epochs=settings.epochs, order=settings.order, **common)
    # A single "step" of all rows.
    validation_sampler = StepSampler(validation.lengths, len(validation), order="random", **common)
    arguments = training_arguments(settings, folder, sampler, on_cpu, curve)
    work, clock = Work(model), Clock()
    callback = TrainingCallback(sampler, interruption, work, clock, curve)
    loaders = loader(train, sampler), loader(validation, validation_sampler)
    loss_mean = None if settings.loss_mean == "step" else settings.loss_mean
    return StepTrainer(model, arguments, *loaders, work, clock, [callback], loss_mean)


def release_memory(trainer) -> None:
    """Free the memory of the model and the optimizer, and undo ZeRO's hook on loading models."""
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    unset_hf_deepspeed_config()  # with stage 3 it would partition every model loaded later, and wait for all ranks
    trainer.accelerator.free_memory()
    held = ("model", "model_wrapped", "deepspeed", "optimizer", "lr_scheduler", "train_dataloader")
    for holder in (trainer, trainer.callback_handler):
        for name in held:
            setattr(holder, name, None)
    trainer.accelerator.free_memory()  # again: only now does nothing refer to it any more
