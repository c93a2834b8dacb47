"""Answers by a server that the job starts: as those of the model in the job, and never left running."""

import json
import shlex
import sys
from collections import Counter
from types import SimpleNamespace

import pytest

import respond
import tiny
from answering.generation import generate
from basics.errors import InputError
from basics.reading import read_json, read_jsonl
from data.template import Template
from models.tokenizer import Tokenizer
from pretrain import build_model

SERVER = f"python {tiny.REPOSITORY}/tests/unit/completions_server.py --model {{model}} --tokenizer {{tokenizer}}"
SETTINGS = {
    "beams": 1,
    "no_repeat_ngram": 0,
    "repetition_penalty": 1.3,
    "max_new_tokens": 12,
    "cut_at": "\n### ",
    "special_tokens": "drop",
    "batch": 4,
    "precision": "fp32",
}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A model, its tokenizer, and prompts. A token of about half of its answers is made the end of text, so that some
    answers end and others are cut off."""
    folder = tmp_path_factory.mktemp("house")
    tokenizer = Tokenizer(tiny.tokenizer(folder / "tokenizer"))
    template = Template(tiny.template(folder))
    model = build_model(tiny.ARCHITECTURES["llama"] | {"initializer_range": 0.3}, tokenizer, 1)
    model.save_pretrained(folder / "model")
    prompts = [f"Tell me of the {word}." for word in tiny.WORDS]
    rows = [{"id": f"q{number}", "prompt": prompt} for number, prompt in enumerate(prompts)]
    (folder / "en.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    encoded = [tokenizer.encode_prompt(template.prompt(prompt)) for prompt in prompts]
    answers = generate(model.eval(), encoded, SimpleNamespace(**SETTINGS), tokenizer)
    holding = Counter(token for tokens, _ in answers for token in set(tokens))
    end = min(sorted(holding), key=lambda token: abs(holding[token] - len(prompts) / 2))
    names = {
        number: text for text, number in read_json(folder / "tokenizer" / "tokenizer.json")["model"]["vocab"].items()
    }
    (folder / "tokenizer" / "tokenizer_config.json").write_text(json.dumps({"eos_token": names[end]}))
    return folder


def run(house, output, monkeypatch, method="full", **changed):
    options = {
        "--method": method,
        "--base": house / "model",
        "--model": house / "model",
        "--tokenizer": house / "tokenizer",
        "--template": house / "template.json",
        "--prompts": f"en={house}/en.jsonl",
        "--settings": json.dumps(SETTINGS | changed),
        "--journal": output.with_suffix(".journal"),
        "--output": output,
        "--metadata": output.with_suffix(".json"),
    }
    monkeypatch.setattr(sys, "argv", ["respond.py", *(str(part) for option in options.items() for part in option)])
    respond.main()
    return read_jsonl(output)


def test_a_served_model_answers_as_the_one_in_the_job(house, tmp_path, monkeypatch):
    here = run(house, tmp_path / "here.jsonl", monkeypatch)
    served = run(house, tmp_path / "served.jsonl", monkeypatch, serve=f"{SERVER} --port {{port}}")
    assert served == here
    assert {row["finish"] for row in here} == {"stop", "length"}
    said = read_json(tmp_path / "served.json")
    assert said["decoding"] == "served by python, greedy, repetition penalty 1.3, at most 12 tokens, fp32"
    assert said["settings"]["serve"] == f"{SERVER} --port {{port}}"
    assert said["repeatable"].startswith("nearly")


def test_answers_of_one_engine_are_not_taken_for_those_of_another(house, tmp_path, monkeypatch):
    run(house, tmp_path / "answers.jsonl", monkeypatch)
    run(house, tmp_path / "answers.jsonl", monkeypatch, serve=f"{SERVER} --port {{port}}")
    assert len((tmp_path / "answers.journal").read_text().splitlines()) == 2 * len(tiny.WORDS)


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("refuse", "serve: BadRequestError: Error code: 400"),
        ("no-ids", "serve: the server returns no token_ids; use one that knows return_token_ids"),
        ("empty", "serve: the server's answer does not follow the completions protocol; use a server that does (vLLM"),
        ("die", "the server ended with status 9; its log"),
    ],
)
def test_a_fault_of_the_server_is_one_line_and_what_was_answered_is_kept(
    house, tmp_path, monkeypatch, fault, complaint
):
    serve = f"{SERVER} --port {{port}}"
    with pytest.raises(InputError) as error:
        run(house, tmp_path / "answers.jsonl", monkeypatch, serve=f"{serve} --fault {fault}", batch=2)
    assert complaint in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "answers.jsonl").exists()
    assert len((tmp_path / "answers.journal").read_text().splitlines()) == (2 if fault == "die" else 0)


def test_a_server_that_other_machines_can_reach_is_stopped(house, tmp_path, monkeypatch):
    with pytest.raises(
        InputError, match=r"accepts connections from other machines; make it listen on 127\.0\.0\.1 only"
    ):
        run(house, tmp_path / "answers.jsonl", monkeypatch, serve=f"{SERVER} --port {{port}} --host 0.0.0.0")
    assert not (tmp_path / "answers.jsonl").exists()


def test_a_served_model_has_no_key_of_a_judge_in_its_environment(house, tmp_path, monkeypatch):
    for name in ("OPENAI_API_KEY", "JUDGES_TOKEN"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("HARMLESS", "1")
    seen = tmp_path / "seen"
    serve = shlex.join(["python", "-c", f"import json, os; json.dump(dict(os.environ), open({str(seen)!r}, 'w'))"])
    with pytest.raises(InputError, match="the server ended with status 0"):
        run(house, tmp_path / "o", monkeypatch, serve=serve, secrets=["OPENAI_API_KEY", "JUDGES_TOKEN"])
    environment = read_json(seen)
    assert environment["HARMLESS"] == "1" and "secret" not in environment.values()
