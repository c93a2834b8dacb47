"""Train a byte-level BPE tokenizer on text files and save it as a Transformers fast tokenizer.

Each line of a file is a document. Any text in any script can be encoded, since all bytes are tokens. With --template,
its words are counted once per document, as often as they occur in tuning, which makes prompts shorter.
"""

import argparse
import sys
from pathlib import Path

from basics.command_line import command_line
from basics.errors import InputError
from basics.writing import beside
from data.template import Template
from models.corpus import read_documents

EOS, PAD = "<eos>", "<pad>"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", required=True, nargs="+", type=Path, metavar="FILE", help="one document per line")
    parser.add_argument("--template", type=Path, help="prompt template whose words should become tokens")
    parser.add_argument("--vocabulary", required=True, type=int, help="number of tokens, special ones included")
    parser.add_argument("--output", required=True, type=Path, help="folder for the tokenizer")
    arguments = parser.parse_args()
    documents = read_documents(arguments.corpus)
    if arguments.template:
        template = Template(arguments.template)
        documents += [template.prompt("", " ")] * len(documents)

    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if arguments.vocabulary < len(alphabet) + 2:
        raise InputError(f"--vocabulary {arguments.vocabulary}: at least {len(alphabet) + 2}, a token for every byte")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=arguments.vocabulary,
        special_tokens=[EOS, PAD],
        initial_alphabet=sorted(alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=EOS,
        pad_token=PAD,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    with beside(arguments.output) as folder:
        fast.save_pretrained(folder)
    print(f"{arguments.output}: {len(fast):,} tokens from {len(documents):,} documents", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
