"""Convert a tokenizer that is only a SentencePiece model (tokenizer.model) to a fast one (tokenizer.json).

The ids are compared with those of SentencePiece on texts that are hard to get right: runs of spaces, line breaks,
digits, accents, emoji, several scripts. If they differ, nothing is written. Only tokenizers of LLaMA's kind are
converted: BPE, with tokenizer_class LlamaTokenizer in tokenizer_config.json. fetch_model.py does the same by itself;
this program is for folders on this machine, such as those that `families.<name>.tokenizer.path` names.
"""

import argparse
import shutil
import sys
from pathlib import Path

from basics.command_line import command_line
from basics.errors import InputError
from basics.writing import beside
from models import sentencepiece_models
from models.tokenizer import Tokenizer

KEPT = ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "config.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True, type=Path, help="folder with tokenizer.model")
    parser.add_argument("--output", required=True, type=Path, help="folder to create")
    arguments = parser.parse_args()
    if arguments.output.exists():
        raise InputError(f"{arguments.output}: is there already; give another folder")
    tokenizer = sentencepiece_models.convert(arguments.tokenizer)
    with beside(arguments.output) as folder:
        folder.mkdir()
        tokenizer.save(str(folder / "tokenizer.json"))
        for name in KEPT:
            if (arguments.tokenizer / name).is_file():
                shutil.copyfile(arguments.tokenizer / name, folder / name)
        Tokenizer(folder)  # refuses one that has no end-of-text token
    print(f"{arguments.output}: gives the ids of {arguments.tokenizer / 'tokenizer.model'}", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
