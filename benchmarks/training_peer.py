"""Take optimizer steps as other programs do, and print the loss.

    training_peer.py --way padded --model DIR --tokens DIR --loss-on response --micro-batch 2

padded: the Trainer with its defaults, as Stanford Alpaca, alpaca-lora and the authors of the paper use it: examples in
random order, a fixed number of them padded to the longest, the loss on all logits. grouped: the same with the Trainer's
group_by_length. packed: TRL's SFTTrainer with packing, rows of 512 tokens, one per micro-batch, and its own loss. Each
of the --steps steps takes the whole training split; the first token of a text is no label, as in train.py, and the mean
is over the labels of the whole step. --model and --tokens are those of train.py.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "workflow" / "scripts"))

from basics.command_line import command_line, positive  # noqa: E402
from models import language_models  # noqa: E402  (first, it settles threads and network)
from training.examples import NO_LABEL  # noqa: E402

WAYS = ("padded", "grouped", "packed")
ORDERS = {"padded": "random", "grouped": "group_by_length"}
ROW = 512  # tokens per packed row


def labelled(rows, loss_on: str):
    """The rows of a tokenized recipe with labels, as a Dataset of input_ids, labels and length."""

    def labels(row: dict) -> dict:
        unlabelled = max(1, row["prompt_length"]) if loss_on == "response" else 1
        return {"labels": [NO_LABEL] * unlabelled + row["input_ids"][unlabelled:]}

    return rows.map(labels).select_columns(["input_ids", "labels", "length"])


def padding_collator(multiple: int = 1):
    """A collator that pads on the right to the longest example, rounded up to a multiple of `multiple`."""
    import torch

    def collate(examples: list[dict]) -> dict:
        longest = -(-max(len(example["input_ids"]) for example in examples) // multiple) * multiple

        def padded(name: str, filler: int) -> torch.Tensor:
            return torch.tensor([[*example[name], *[filler] * (longest - len(example[name]))] for example in examples])

        labels = padded("labels", NO_LABEL)
        lengths = torch.tensor([len(example["input_ids"]) for example in examples])
        mask = (torch.arange(longest) < lengths[:, None]).long()
        return {"input_ids": padded("input_ids", 0), "attention_mask": mask, "labels": labels}

    return collate


def common_arguments(place: str, batch: int, micro_batch: int, steps: int, precision: str, on_cpu: bool) -> dict:
    """Arguments of both the Trainer and TRL's trainer, for steps of `batch` rows, `micro_batch` of them at a time."""
    return {
        "output_dir": place,
        "per_device_train_batch_size": micro_batch,
        "gradient_accumulation_steps": -(-batch // micro_batch),
        "max_steps": steps,
        "learning_rate": 1e-6,
        "bf16": precision == "bf16",
        "use_cpu": on_cpu,
        "dataloader_pin_memory": not on_cpu,
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        "report_to": [],
    }


def padded_trainer(model, dataset, common: dict, order: str, multiple: int = 1):
    """The Trainer as the authors use it; `order` is one of its sampling strategies."""
    from transformers import PrinterCallback, Trainer, TrainingArguments

    arguments = TrainingArguments(**common, train_sampling_strategy=order)
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=dataset,
        data_collator=padding_collator(multiple),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def packed_trainer(model, dataset, common: dict):
    """TRL's trainer, whose rows hold several examples."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast, PrinterCallback
    from trl import SFTConfig, SFTTrainer, pack_dataset

    dataset = dataset.select_columns(["input_ids", "labels"])
    rows = len(pack_dataset(dataset, ROW, "bfd"))
    arguments = SFTConfig(
        **common | {"per_device_train_batch_size": 1, "gradient_accumulation_steps": rows},
        packing=True,
        max_length=ROW,
        gradient_checkpointing=False,
    )
    # TRL needs a tokenizer, but only for the ids of padding and end of text: the rows are ids already.
    specials = {"unk_token": "0", "eos_token": "0", "pad_token": "1"}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel({"0": 0, "1": 1}, unk_token="0")), **specials
    )
    trainer = SFTTrainer(model=model, args=arguments, train_dataset=dataset, processing_class=tokenizer)
    trainer.remove_callback(PrinterCallback)
    return trainer


def take_steps(arguments: argparse.Namespace, place: str) -> dict:
    from datasets import disable_progress_bars, load_from_disk
    from transformers import set_seed

    disable_progress_bars()
    set_seed(1)
    dataset = labelled(load_from_disk(str(arguments.tokens))["train"], arguments.loss_on)
    model = language_models.load_model(arguments.model, "fp32")
    model.config.use_cache = False
    micro_batch = min(arguments.micro_batch, len(dataset))
    common = common_arguments(place, len(dataset), micro_batch, arguments.steps, "fp32", on_cpu=True)
    if arguments.way == "packed":
        trainer = packed_trainer(model, dataset, common)
    else:
        trainer = padded_trainer(model, dataset, common, ORDERS[arguments.way])
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {"loss": losses[0], "micro_batches": trainer.args.gradient_accumulation_steps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--way", required=True, choices=WAYS)
    parser.add_argument("--model", required=True, type=Path, help="folder of the base model")
    parser.add_argument("--tokens", required=True, type=Path, help="tokenized recipe")
    parser.add_argument("--loss-on", required=True, choices=("all", "response"))
    parser.add_argument("--micro-batch", type=positive, default=2, help="examples of one, where not packed (default 2)")
    parser.add_argument("--steps", type=positive, default=1)
    arguments = parser.parse_args()
    os.environ["DS_ACCELERATOR"] = "cpu"  # otherwise DeepSpeed prints to stdout that it has found no accelerator
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(take_steps(arguments, place)))


if __name__ == "__main__":
    command_line(main)
