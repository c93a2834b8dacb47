"""Answer the test prompts of all languages with one tuned model.

Prompts are answered in batches of similar length, each with the answer that it would get alone (generation.py). An
answer ends at the end-of-text token or at the text `cut_at`, with which a model would start another section of the
template; surrounding whitespace is stripped. Answers are written to --journal as they come, keyed by the weights, the
prompt in its template and the settings; a job that was killed resumes from there.

The output has one row per prompt, in the order of --prompts: lang, id, prompt, response, tokens (the number generated,
without end of text) and finish (stop, or length if max_new_tokens ended it). --metadata records how the answers were
made: a summary in the line `decoding`, the engine and its version, the settings, SHA-256 of the weights, and counts.

--settings:
    beams               width of the beam search; 1 is greedy
    no_repeat_ngram     size of n-grams that may not be repeated; 0 allows all
    repetition_penalty  1 means none
    max_new_tokens      longest answer
    cut_at              text that ends an answer
    special_tokens      drop; keep leaves them in the answer as text, end of text included
    batch               prompts answered at once; affects speed, not answers
    precision           bf16, fp32
    serve               a command that serves the model in another engine, such as vLLM (completions.py), instead of
                        Transformers: `vllm serve {model} --tokenizer {tokenizer} --host 127.0.0.1 --port {port}`. It
                        requires full models (--method full), beams 1 and no_repeat_ngram 0
    start_timeout       seconds that `serve` may take until it answers (default: 1800)
    secrets             environment variables to withhold from the server, the judges' keys (default: OPENAI_API_KEY)
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from tqdm import tqdm

from answering import completions, generation
from answering.settings import Settings
from basics.command_line import command_line, files_by_language, language_file
from basics.errors import InputError
from basics.hashing import item_key, sha256
from basics.journal import Journal
from basics.kinds import fields_fault
from basics.reading import read_jsonl
from basics.settings import read_settings
from basics.writing import write_json, write_jsonl
from data.template import Template, cut_response
from models import device, language_models
from models.positions import check_positions
from models.tokenizer import Tokenizer
from models.warm_start import hand_over


def read_prompts(files: Mapping[str, Path]) -> list[dict]:
    """Rows of lang, id and prompt, in the order given. Raises InputError for a file without prompts."""
    rows = []
    for code, path in files.items():
        prompts = read_jsonl(path, fields={"id": str, "prompt": str}, empty="prompts")
        rows += [{"lang": code, "id": row["id"], "prompt": row["prompt"]} for row in prompts]
    return rows


def batch_by_length(prompts: list[list[int]], size: int) -> Iterator[list[int]]:
    """Indices into `prompts`, at most `size` at a time, longest prompts first, since they need the most memory."""
    places = sorted(range(len(prompts)), key=lambda place: -len(prompts[place]))
    for start in range(0, len(places), size):
        yield places[start : start + size]


def answer_row(tokens: list[int], finished: bool, settings: Settings, tokenizer: Tokenizer) -> dict:
    """The text of an answer, its number of tokens, and how it ended."""
    ending = [tokenizer.eos] if finished and settings.special_tokens == "keep" else []
    response = cut_response(tokenizer.decode(tokens + ending, settings.special_tokens), settings.cut_at)
    return {"response": response, "tokens": len(tokens), "finish": "stop" if finished else "length"}


def is_answer(value: object) -> bool:
    """Whether a value in a journal has the form that `answer_row` returns."""
    return isinstance(value, dict) and not fields_fault(value, {"response": str, "tokens": int, "finish": str})


def weights_used(arguments: argparse.Namespace) -> list[dict]:
    """SHA-256 of the weights' files: those of the full model, or those of the base and of the adapter."""
    if arguments.method == "full":
        return [language_models.weight_hashes(arguments.model)]
    adapter = language_models.weight_hashes(arguments.model, config="adapter_config.json")
    return [language_models.weight_hashes(arguments.base), adapter]


def choose_engine(arguments: argparse.Namespace, settings: Settings, tokenizer: Tokenizer) -> AbstractContextManager:
    """A context manager for a function that answers a batch of prompts: by a model in this process, or a server."""
    if settings.serve:
        log = arguments.journal.with_suffix(".server.log")
        return completions.served_model(arguments.model, arguments.tokenizer, settings, tokenizer, log)
    return generation.loaded_model(arguments.method, arguments.base, arguments.model, settings, tokenizer)


def answer_missing(
    prompts: dict[str, list[int]], journal: Journal, engine: AbstractContextManager, to_row: Callable, size: int
) -> int:
    """Answer the prompts, given by key, that the journal lacks; return how many. Batches are formed over all prompts,
    so that a resumed job forms the same ones."""
    keys = list(prompts)
    todo = [[keys[place] for place in places] for places in batch_by_length(list(prompts.values()), size)]
    todo = [batch for batch in todo if any(key not in journal for key in batch)]
    done = len(keys) - sum(key not in journal for key in keys)
    if not todo:
        return 0
    with engine as answer, tqdm(total=len(keys), initial=done, mininterval=5, unit="answer") as progress:
        for batch in todo:
            answers = answer([prompts[key] for key in batch])
            for key, (tokens, finished) in zip(batch, answers, strict=True):
                if key not in journal:
                    journal[key] = to_row(tokens, finished)
                    progress.update()
    return len(keys) - done


def answers_metadata(settings: Settings, weights: list[dict], template: Path, rows: list[dict]) -> dict:
    """How the answers were made; see the docstring of this program."""
    engine = {"engine": f"served by {completions.command_words(settings.serve)[0]}"} if settings.serve else {}
    engine = engine or generation.engine_versions()
    return {
        "decoding": settings.describe_decoding(engine["engine"]),
        **engine,
        "settings": settings.determinants(),
        "weights": weights,
        "template": {"name": template.name, "sha256": sha256(template)},
        "responses": len(rows),
        "tokens": sum(row["tokens"] for row in rows),
        "finish": Counter(row["finish"] for row in rows),
        "repeatable": "to the byte on a CPU; elsewhere nearly"
        if settings.precision == "fp32" and not settings.serve
        else "nearly: the next token may depend on device and batch where two are almost as likely",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", required=True, choices=("lora", "full"), help="how the model was trained")
    parser.add_argument("--base", required=True, type=Path, help="base model, to which a LoRA adapter is applied")
    parser.add_argument("--model", required=True, type=Path, help="output of train.py: adapter, or full model")
    parser.add_argument("--tokenizer", required=True, type=Path, help="tokenizer folder")
    parser.add_argument("--template", required=True, type=Path, help="prompt template")
    parser.add_argument(
        "--prompts", required=True, nargs="+", type=language_file, metavar="CODE=FILE", help="prompts, by language"
    )
    parser.add_argument("--settings", required=True, metavar="JSON", help="object or file, see above")
    parser.add_argument("--accelerator", choices=device.ACCELERATORS, help=device.HELP)
    parser.add_argument("--journal", required=True, type=Path, help="JSON lines: answers as they come; not an output")
    parser.add_argument("--output", required=True, type=Path, help="JSON lines: the answers")
    parser.add_argument("--metadata", required=True, type=Path, help="JSON: how they were made")
    arguments = parser.parse_args()
    files = files_by_language(arguments.prompts, "--prompts")
    settings = read_settings(Settings, arguments.settings)
    if settings.serve:
        device.check_device_of_server(arguments.accelerator)
    else:
        device.use_device(arguments.accelerator)
    template, tokenizer = Template(arguments.template), Tokenizer(arguments.tokenizer)
    tokenizer.check_template(template.with_input + template.without_input, arguments.template)
    rows = read_prompts(files)
    if settings.serve and arguments.method == "lora":
        raise InputError("--method lora with serve: merge the adapter (merge_adapter.py) and give --method full")
    weights = weights_used(arguments)
    prompts = [tokenizer.encode_prompt(template.prompt(row["prompt"])) for row in rows]
    model = arguments.model if arguments.method == "full" else arguments.base
    longest = max(map(len, prompts)) + settings.max_new_tokens - 1  # the last new token is not read
    check_positions(model, longest, "the longest prompt and max_new_tokens take", "lower max_new_tokens")
    keys = [item_key(weights=weights, prompt=ids, settings=settings.determinants()) for ids in prompts]
    start = time.monotonic()
    with Journal(arguments.journal, is_answer) as journal:
        new = answer_missing(
            dict(zip(keys, prompts, strict=True)),
            journal,
            choose_engine(arguments, settings, tokenizer),
            lambda tokens, finished: answer_row(tokens, finished, settings, tokenizer),
            settings.batch,
        )
        rows = [{**row, **journal[key]} for row, key in zip(rows, keys, strict=True)]
    write_json(arguments.metadata, answers_metadata(settings, weights, arguments.template, rows))
    write_jsonl(arguments.output, rows)
    pace = f", {new / (time.monotonic() - start):.2f} answers/s" if new else ""
    cut_off = sum(row["finish"] == "length" for row in rows)
    print(
        f"{arguments.output}: {len(rows)} responses, {new} of them new{pace};"
        f" {sum(row['tokens'] for row in rows)} tokens, {cut_off} responses cut off at {settings.max_new_tokens}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    hand_over()
    command_line(main)
