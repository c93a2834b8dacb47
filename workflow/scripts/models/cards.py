"""The card of a tuned model (README.md), as the Hugging Face hub shows it: metadata, then text.

https://huggingface.co/docs/hub/model-cards. A card holds nothing that differs between two runs of a training, such as
its time, so that equal trainings have equal folders; training.json has that.
"""

import json
from collections.abc import Mapping
from typing import NamedTuple

from data.template import Template


class Kind(NamedTuple):
    """A kind of folder: how the model in it was tuned, the library and class that load it, and what the hub calls its
    relation to the base model."""

    tuned: str
    library: str
    loader: str
    relation: str


KINDS = {
    "lora": Kind("tuned with LoRA (this is the adapter alone)", "peft", "AutoPeftModelForCausalLM", "adapter"),
    "full": Kind("tuned in all parameters", "transformers", "AutoModelForCausalLM", "finetune"),
    "merged": Kind("tuned with LoRA (the adapter is merged)", "transformers", "AutoModelForCausalLM", "finetune"),
}

# What a card needs of training.json.
LOSS = {"step": int, "validation_loss": float}
CARD_FIELDS = {
    "method": str,
    "base": {"name": str, "revision": str | None},
    "recipe": str,
    "languages": list[str],
    "settings": {"validation": str},
    "steps": int,
    "best": LOSS,
    "final": LOSS,
    "inputs": {"tokens": dict[str, str]},
}

CARD = """\
---
{metadata}
---

# {base} tuned on {recipe}

`{base_name}` ({origin}), {tuned}. The instruction data is the recipe `{recipe}`
({languages}) of better-alpaca, a workflow after
[Chen et al. (2024)](https://aclanthology.org/2024.findings-eacl.90).

## Use

```python
from transformers import AutoTokenizer
from {library} import {loader}

model = {loader}.from_pretrained("FOLDER")
tokenizer = AutoTokenizer.from_pretrained("FOLDER")
```
{prompt}
## Training

| setting | value |
| --- | --- |
{settings}

The weights that were kept are those of step {step:,} of {steps:,}, with a validation loss (mean over labels) of
{loss:.4f}. `training.json` has all losses, the cost of the training, and the versions of its libraries. SHA-256 of the
tokenized data:

{data}

## Scores

The training knows none. When answers have been rated, `tables/scores.csv` of the experiment has the model's row.

## Licence

The licences of the base model and of the instruction data apply. Before you publish the model, check both, and add
`license:` to the metadata above.
"""
PROMPT = """
The prompt of training, for an instruction without input:

```
{prompt}
```
"""


def model_card(record: Mapping, template: Template | None, merged: bool = False) -> str:
    """The text of README.md, from training.json (`record`) and the prompt template of training.

    `merged` is for the whole model that an adapter was merged into.
    """
    kind = KINDS["merged" if merged else record["method"]]
    base, settings = record["base"], record["settings"]
    kept = record["best" if settings["validation"] == "held-out" else "final"]
    origin = f"revision `{base['revision']}`" if base["revision"] else "a local folder"
    if kind.library == "peft" and not base["revision"]:
        origin += ", where the adapter looks for it"
    prompt = PROMPT.format(prompt=template.prompt("{instruction}").rstrip("\n")) if template else ""
    return CARD.format(
        metadata=_metadata(record, kind),
        base=base["name"].rpartition("/")[2],
        recipe=record["recipe"],
        base_name=base["name"],
        origin=origin,
        tuned=kind.tuned,
        languages=", ".join(record["languages"]),
        library=kind.library,
        loader=kind.loader,
        prompt=prompt,
        settings="\n".join(f"| {name} | {_shown(value)} |" for name, value in settings.items() if value is not None),
        loss=kept["validation_loss"],
        step=kept["step"],
        steps=record["steps"],
        data="\n".join(f"    {digest}  {name}" for name, digest in record["inputs"]["tokens"].items()),
    )


def _metadata(record: Mapping, kind: Kind) -> str:
    """The YAML at the top. A base that is not on the hub is left out, since the hub refuses a path."""
    from huggingface_hub import ModelCardData

    on_hub = record["base"]["revision"] is not None
    tags = ["alpaca", "instruction-tuning", *(["lora"] if record["method"] == "lora" else [])]
    return ModelCardData(
        base_model=record["base"]["name"] if on_hub else None,
        base_model_relation=kind.relation if on_hub else None,
        language=record["languages"],
        library_name=kind.library,
        pipeline_tag="text-generation",
        tags=tags,
    ).to_yaml()


def _shown(value: object) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value)
