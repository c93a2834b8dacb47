"""Answer the test prompts of all languages with one tuned model, by beam search.

Prompts are batched with those of the same length in tokens, so that nothing is padded and an answer is the one that
the prompt alone would get. The answer ends at the end-of-text token or at the text `cut_at`, with which a model goes
on to another section of the template; the space around it is taken off. Answers are kept in --journal as they come,
keyed by the weights, the prompt in its template, and the settings; a job that was killed goes on from there.

The output has a row a prompt, in the order of --prompts: lang, id, prompt, response, tokens (generated ones, without
the end-of-text) and finish (stop, or length when --settings' max_new_tokens ended it).

--settings: beams, no_repeat_ngram (tokens; 0 allows all), repetition_penalty, max_new_tokens, cut_at, special_tokens
(drop; keep leaves them in the answer as text, the end-of-text too), batch, precision (bf16, fp32). All but batch have a
part in the answers.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import language_models
from files import InputError, command_line, language_file, read_jsonl, write_jsonl
from journal import Journal, item_key
from settings import read_settings
from template import Template, cut_response
from tokenizer import Tokenizer
from tqdm import tqdm
from tuned_model import load_tuned


@dataclass(frozen=True)
class Settings:
    """How to decode; see the program's help. Raises InputError for a value out of range."""

    beams: int
    no_repeat_ngram: int
    repetition_penalty: float
    max_new_tokens: int
    cut_at: str
    special_tokens: str
    batch: int
    precision: str

    def __post_init__(self):
        for key in ("beams", "max_new_tokens", "batch"):
            if getattr(self, key) < 1:
                raise InputError(f"settings: {key} is {getattr(self, key)}; it must be at least 1")
        if not self.cut_at:
            raise InputError("settings: cut_at is empty; give the text at which an answer ends")
        if self.special_tokens not in ("drop", "keep"):
            raise InputError(f"settings: special_tokens is {self.special_tokens!r}, which is not drop or keep")
        if self.precision not in ("bf16", "fp32"):
            raise InputError(f"settings: precision is {self.precision!r}, which is not bf16 or fp32")


def read_prompts(files: list[tuple[str, Path]]) -> list[dict]:
    """Rows lang, id, prompt in the order given. Raises InputError for a file that holds none."""
    rows = []
    for code, path in files:
        prompts = read_jsonl(path, fields=("id", "prompt"))
        if not prompts:
            raise InputError(f"{path}: no prompts in it")
        rows += [{"lang": code, "id": row["id"], "prompt": row["prompt"]} for row in prompts]
    return rows


def batches(prompts: list[list[int]], size: int) -> Iterator[list[int]]:
    """Places in `prompts`, at most `size` at a time, whose prompts are equally long; the longest first."""
    by_length = defaultdict(list)
    for place, ids in enumerate(prompts):
        by_length[len(ids)].append(place)
    for _, places in sorted(by_length.items(), reverse=True):
        for start in range(0, len(places), size):
            yield places[start : start + size]


def generate(model, prompts: list[list[int]], settings: Settings, tokenizer: Tokenizer) -> list[dict]:
    """Answer equally long prompts; a dict of response, tokens and finish for each."""
    import torch
    from transformers import GenerationConfig

    decoding = GenerationConfig(  # a whole one: the base model's own defaults are not to mix in
        do_sample=False,
        num_beams=settings.beams,
        no_repeat_ngram_size=settings.no_repeat_ngram,
        repetition_penalty=settings.repetition_penalty,
        max_new_tokens=settings.max_new_tokens,
        eos_token_id=tokenizer.eos,
        pad_token_id=tokenizer.pad,
        bos_token_id=tokenizer.eos,
    )
    ids = torch.tensor(prompts, device=model.device)
    with torch.inference_mode():
        output = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=decoding)
    answers = []
    for sequence in output[:, ids.shape[1] :].tolist():
        finished = tokenizer.eos in sequence
        tokens = sequence[: sequence.index(tokenizer.eos)] if finished else sequence
        ending = [tokenizer.eos] if finished and settings.special_tokens == "keep" else []
        response = cut_response(tokenizer.decode(tokens + ending, settings.special_tokens), settings.cut_at)
        answers.append({"response": response, "tokens": len(tokens), "finish": "stop" if finished else "length"})
    return answers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", required=True, choices=("lora", "full"))
    parser.add_argument("--base", required=True, type=Path, help="base model, which a LoRA adapter is put on")
    parser.add_argument("--model", required=True, type=Path, help="output of train.py: adapter, or full model")
    parser.add_argument("--tokenizer", required=True, type=Path, help="tokenizer folder")
    parser.add_argument("--template", required=True, type=Path, help="prompt template")
    parser.add_argument("--prompts", required=True, nargs="+", type=language_file, metavar="CODE=FILE")
    parser.add_argument("--settings", required=True, metavar="JSON", help="object or file, see above")
    parser.add_argument("--journal", required=True, type=Path, help="answers as they come; not an output")
    parser.add_argument("--output", required=True, type=Path)
    arguments = parser.parse_args()
    settings = read_settings(Settings, arguments.settings)
    template, tokenizer = Template(arguments.template), Tokenizer(arguments.tokenizer)
    rows = read_prompts(arguments.prompts)
    if arguments.method == "full":
        weights = [language_models.weight_hashes(arguments.model)]
    else:
        adapter = language_models.weight_hashes(arguments.model, config="adapter_config.json")
        weights = [language_models.weight_hashes(arguments.base), adapter]

    prompts = [tokenizer.encode_prompt(template.prompt(row["prompt"])) for row in rows]
    decoding = {key: value for key, value in asdict(settings).items() if key != "batch"}
    keys = [item_key(weights=weights, prompt=ids, settings=decoding) for ids in prompts]
    with Journal(arguments.journal) as journal:
        missing = list({key: place for place, key in enumerate(keys) if key not in journal}.values())
        with tqdm(total=len(rows), initial=len(rows) - len(missing), mininterval=5, unit="answer") as progress:
            if missing:
                model = load_tuned(arguments.method, arguments.base, arguments.model, settings.precision)
                for batch in batches([prompts[place] for place in missing], settings.batch):
                    places = [missing[number] for number in batch]
                    answers = generate(model, [prompts[place] for place in places], settings, tokenizer)
                    for place, answer in zip(places, answers, strict=True):
                        journal[keys[place]] = answer
                    progress.update(len(places))
        write_jsonl(arguments.output, ({**row, **journal[key]} for row, key in zip(rows, keys, strict=True)))
    print(f"{arguments.output}: {len(rows)} responses, {len(missing)} of them new", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
