"""The output of a training: its weights as safetensors, checked to be the ones that were trained."""

import math
from pathlib import Path

from basics.errors import InputError
from models.sharing import origin_of
from training.examples import NO_LABEL, Examples, collate
from training.steps import StepSampler

# Relative difference between the recorded loss and that of the weights on disk: rounding, which depends on how rows are
# grouped into micro-batches. If the best checkpoint was not loaded, it is larger (huggingface/transformers #24096).
TOLERANCE = {"fp32": 1e-4, "bf16": 5e-3}


def save_weights(trainer, method: str, modules: list[str], model: Path, folder: Path | None) -> None:
    """Write the weights into `folder`, as safetensors. All ranks must call it; only rank 0 gives a `folder`."""
    state = None
    if trainer.is_deepspeed_enabled and trainer.args.hf_deepspeed_config.is_zero3():
        state = trainer.accelerator.get_state_dict(trainer.deepspeed)
    if folder is None:
        return
    if method == "full":
        if state:
            for name in trainer.model.all_tied_weights_keys:
                state.pop(name, None)  # tied weights, which gathering has duplicated
        trainer.model.save_pretrained(folder, state_dict=state)
        return
    adapter = trainer.model.peft_config["default"]
    origin = origin_of(model)
    adapter.base_model_name_or_path, adapter.revision = origin["name"], origin["revision"]
    adapter.target_modules = sorted(modules)  # PEFT made it a set, whose order changes from run to run
    trainer.model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # a model card without content


def check_saved_adapter(folder: Path, parameters: int) -> None:
    """Raise InputError if an adapter does not hold all trained parameters, or holds some that training did not change.

    Empty adapters, of 443 bytes, are a known problem of training with PEFT (tloen/alpaca-lora #293, #334).
    """
    from safetensors import safe_open

    with safe_open(folder / "adapter_model.safetensors", framework="pt") as tensors:
        saved = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
    count = sum(tensor.numel() for tensor in saved.values())
    if count != parameters:
        raise InputError(
            f"the adapter holds {count:,} parameters, but {parameters:,} were trained; check --adapter-modules and the"
            " version of PEFT"
        )
    untouched = [name for name, tensor in saved.items() if "lora_B" in name and not tensor.any()]
    if untouched:
        raise InputError(f"training left {untouched[0]} at zero; check learning_rate, warmup and the data")


def mean_loss(model, examples: Examples, budget: int, precision: str) -> float:
    """Mean loss over the labels of all examples, computed by this process alone."""
    import torch
    from torch.utils.data import DataLoader

    from training.labelled_loss import give_summed_loss

    give_summed_loss(model.get_base_model() if hasattr(model, "get_base_model") else model)
    device = model.device.type
    sampler = StepSampler(examples.lengths, len(examples), budget=budget, seed=0)
    loss = labels = 0
    with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
        for inputs in DataLoader(examples, batch_sampler=sampler, collate_fn=collate):
            targets = inputs["targets"].to(device)
            loss += model(input_ids=inputs["input_ids"].to(device), targets=targets).loss.item()
            labels += (targets != NO_LABEL).sum().item()
    return loss / max(labels, 1)


def check_reloaded_loss(reloaded: float, recorded: float, precision: str) -> None:
    """Raise InputError if the model on disk does not have the validation loss that training recorded for it."""
    if not math.isclose(reloaded, recorded, rel_tol=TOLERANCE[precision]):
        raise InputError(
            f"the weights as saved have a validation loss of {reloaded:.5f}, but training recorded {recorded:.5f}:"
            " they are not the ones that were trained; check the versions of Transformers, PEFT and DeepSpeed against"
            " envs/requirements.lock"
        )
