"""The Hugging Face Trainer with steps of our own: which examples, which loss, which checkpoints."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from training import ranks
from training.examples import Examples, collate
from training.instruments import Clock, Interruption, Work
from training.steps import StepSampler

if TYPE_CHECKING:
    from training.step_trainer import StepTrainer

PATIENCE = 7200  # seconds that ranks wait for one that reads or checks many gigabytes
CURVE_POINTS = 500  # of the training loss, at most


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
    sys.modules["deepspeed.comm.torch"].__dict__["build_shm_op"] = lambda: None


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


def make_trainer(
    model,
    train: Examples,
    validation: Examples,
    settings,
    folder: Path,
    interruption: Interruption,
    curve: Path | None = None,
) -> "StepTrainer":
    """A Trainer whose steps are those of StepSampler, and whose validation loss is exact.

    Checkpoints go to `folder`, and the losses to the file `curve`.
    """
    import torch
    from torch.utils.data import DataLoader

    from training.course import Course
    from training.step_trainer import StepTrainer

    on_cpu = not torch.cuda.is_available()

    def loader(examples: Examples, sampler: StepSampler) -> DataLoader:
        return DataLoader(examples, batch_sampler=sampler, collate_fn=collate, pin_memory=not on_cpu)

    common = {"budget": settings.micro_batch_tokens, "seed": settings.seed, "rank": ranks.RANK, "ranks": ranks.RANKS}
    sampler = StepSampler(train.lengths, settings.batch, epochs=settings.epochs, **common)
    validation_sampler = StepSampler(validation.lengths, len(validation), **common)  # one "step" of all rows
    arguments = training_arguments(settings, folder, sampler, on_cpu)
    work, clock = Work(model), Clock()
    course = Course(sampler, interruption, work, clock, curve)
    return StepTrainer(
        model, arguments, loader(train, sampler), loader(validation, validation_sampler), work, clock, [course]
    )


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
