"""A training loop as in a textbook, to compare with."""

import random
from pathlib import Path

from training.examples import load_tokens


def padded_loop(house: Path, family: str, modules: list[str], wanted: dict) -> list[float]:
    """The loss of each step of a training in a house of trainings.py, with the settings `wanted`: random pairs, padded,
    the loss on the full logits, averaged over the labels of the step or, with a loss_mean of 2, over those of each pair
    and then over the pairs. LoRA adapts the `modules`; without any, all parameters are trained.
    """
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import (
        AutoModelForCausalLM,
        get_cosine_schedule_with_warmup,
        get_linear_schedule_with_warmup,
        set_seed,
    )

    rows = load_tokens(house / "tokens")["train"]
    set_seed(wanted["seed"])
    model = AutoModelForCausalLM.from_pretrained(house / family, dtype=torch.float32)
    if modules:
        lora = wanted["lora"]
        adapted = LoraConfig(
            r=lora["rank"],
            lora_alpha=lora["alpha"],
            lora_dropout=lora["dropout"],
            target_modules=modules,
            task_type="CAUSAL_LM",
        )
        model = get_peft_model(model, adapted)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=wanted["learning_rate"], weight_decay=0.0)
    schedules = {"linear": get_linear_schedule_with_warmup, "cosine": get_cosine_schedule_with_warmup}
    steps = wanted["epochs"] * -(-len(rows) // wanted["batch"])
    scheduler = schedules[wanted["schedule"]](optimizer, wanted["warmup"], steps)
    losses = []
    for epoch in range(wanted["epochs"]):
        order = list(range(len(rows)))
        random.Random(f"order {wanted['seed']} {epoch}").shuffle(order)
        for start in range(0, len(order), wanted["batch"]):
            drawn = [rows[place] for place in order[start : start + wanted["batch"]]]
            unlabelled = [1 if wanted["loss_on"] == "all" else row["prompt_length"] for row in drawn]
            labels = sum(row["length"] - first for row, first in zip(drawn, unlabelled, strict=True))
            step, pairs = 0.0, -(-len(drawn) // 2)
            for pair in range(0, len(drawn), 2):
                some, firsts = drawn[pair : pair + 2], unlabelled[pair : pair + 2]
                longest = max(row["length"] for row in some)
                ids = torch.tensor([row["input_ids"] + [1] * (longest - row["length"]) for row in some])
                mask = torch.tensor([[1] * row["length"] + [0] * (longest - row["length"]) for row in some])
                positions = torch.arange(longest)
                wanted_ids = torch.where((mask == 1) & (positions >= torch.tensor(firsts)[:, None]), ids, -100)
                logits = model(input_ids=ids, attention_mask=mask).logits
                loss = torch.nn.functional.cross_entropy(
                    logits[:, :-1].flatten(0, 1), wanted_ids[:, 1:].flatten(), reduction="sum", ignore_index=-100
                )
                over = labels if wanted["loss_mean"] == "step" else pairs * (wanted_ids[:, 1:] != -100).sum().item()
                (loss / over).backward()
                step += loss.item() / over
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
            losses.append(step)
    return losses
