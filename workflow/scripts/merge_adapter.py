"""Merge a LoRA adapter into its base model, for an engine that accepts full models only.

The merged weights are W + alpha/r BA, summed in fp32 and stored in --precision, so they are not bit-identical to an
unmerged adapter on its base. The paper's answers are made with unmerged adapters. The adapter's tokenizer, and a model
card, lie beside the merged weights, as far as the adapter has them.
"""

import argparse
import sys
from pathlib import Path

from basics.command_line import command_line
from basics.writing import beside
from models import language_models
from models.sharing import MergedCompanions
from models.tuned import load_tuned
from models.warm_start import hand_over


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True, type=Path, help="base model")
    parser.add_argument("--adapter", required=True, type=Path, help="its LoRA adapter, an output of train.py")
    parser.add_argument("--precision", required=True, choices=("bf16", "fp32"), help="of the merged weights")
    parser.add_argument("--output", required=True, type=Path, help="folder for the merged model")
    arguments = parser.parse_args()
    language_models.weight_files(arguments.base)
    language_models.weight_files(arguments.adapter, config="adapter_config.json")
    companions = MergedCompanions(arguments.adapter)

    import torch

    merged = load_tuned("lora", arguments.base, arguments.adapter, "fp32").merge_and_unload(safe_merge=True)
    with beside(arguments.output) as folder:
        merged.to({"bf16": torch.bfloat16, "fp32": torch.float32}[arguments.precision]).save_pretrained(folder)
        companions.save(folder)
    print(f"{arguments.output}: the adapter {arguments.adapter} merged into {arguments.base}", file=sys.stderr)


if __name__ == "__main__":
    hand_over()
    command_line(main)
