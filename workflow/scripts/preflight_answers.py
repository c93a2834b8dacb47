"""Try the answers of a released model, where no training of it is tried, with the program of the run.

The steps are `ranks` and `answers` of preflight_training.py, with the findings of both.
"""

import argparse
import sys
from pathlib import Path

from basics.command_line import command_line
from basics.settings import read_object
from models import device
from planning.model_trials import MEET_WITHIN, TriedModel, answer, meet
from planning.trials import trial


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", required=True, choices=("lora", "full"), help="how the model was trained")
    parser.add_argument("--base", required=True, type=Path, help="base model, to which a LoRA adapter is applied")
    parser.add_argument("--model", required=True, type=Path, help="adapter, or full model")
    parser.add_argument("--tokenizer", required=True, type=Path, help="tokenizer folder")
    parser.add_argument("--template", required=True, type=Path, help="prompt template")
    parser.add_argument("--respond", required=True, metavar="JSON", help="settings of respond.py")
    parser.add_argument("--accelerator", choices=device.ACCELERATORS, help=device.HELP)
    parser.add_argument("--hosts", nargs="*", default=[], help="hosts of downloads, which are tried")
    parser.add_argument("--output", required=True, type=Path, help="JSON: the findings")
    arguments = parser.parse_args()
    settings = read_object(arguments.respond)
    model = TriedModel(arguments.method, arguments.base, arguments.tokenizer, arguments.accelerator)
    with trial(arguments.output, arguments.hosts) as here:
        meet(here, [], model, settings["precision"], MEET_WITHIN)
        answer(here, model, arguments.model, arguments.template, settings)
    print(f"{arguments.output}: ok, {here.measured['answers_per_second']} answers/s", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
