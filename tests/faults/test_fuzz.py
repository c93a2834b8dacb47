"""Whatever is written into a configuration, a file, a prompt, an answer or a judge's reply: it is taken as it is, or
refused in one line.

The suite draws a few, the same every time. FUZZ_SECONDS says how long each test draws at random: 600 by
`make fuzz`. What that has found stands here as an example of its test, or as a case.
"""

import copy
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import lru_cache, wraps
from pathlib import Path

import fasttext
import polars as pl
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import judge
import tiny
from answering.language_confusion import lines_to_judge
from basics.errors import InputError
from basics.reading import iter_jsonl, read_jsonl
from basics.writing import write_jsonl
from data.identifier import identify, load_model
from data.prompts import FIELDS, check_prompts
from data.template import Template, cut_response
from judge_endpoint import completion, started
from judging.endpoint import Endpoint, NotAnswered, Refused, as_reply, is_reply
from judging.ledger import Ledger
from judging.ratings import RATINGS, parse_rating
from judging.settings import JudgeSettings
from langid import text_to_identify
from models.tokenizer import Tokenizer
from page import page
from reporting.markdown import escape_markdown, markdown_table
from score_table import latex_table
from snake import DEMO, snakemake
from study import checking, local_files, references
from study.configuration import SCHEMA, merge, read_configs
from table2 import verbatim

SECONDS = float(os.environ.get("FUZZ_SECONDS", 0))


def drawn(*strategies: st.SearchStrategy, **named: st.SearchStrategy) -> Callable:
    """As `given`, again and again for SECONDS."""

    def decorate(test: Callable) -> Callable:
        once = settings(
            max_examples=1000 if SECONDS else 150,
            deadline=None,
            derandomize=not SECONDS,
            database=None,
            suppress_health_check=list(HealthCheck),
        )(given(*strategies, **named)(test))

        @wraps(once)
        def repeated(*arguments: object, **options: object) -> None:
            end = time.monotonic() + SECONDS
            once(*arguments, **options)
            while time.monotonic() < end:
                once(*arguments, **options)

        return repeated

    return decorate


def one_line(refusal: Exception) -> bool:
    """Whether what refuses something can be printed, as one line."""
    text = str(refusal)
    text.encode("utf-8")
    return len(text.splitlines()) == 1


# ---- configurations

REPOSITORY = tiny.REPOSITORY
PAGE = REPOSITORY / "resources" / "pages"
SCHEMA = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
BASE = read_configs([REPOSITORY / "config" / "config.yaml", REPOSITORY / "config" / "demo.yaml"])
NAMES = [
    *("en", "es", "zh", "bn", "no", "cs", "xx", "mono-en", "monolingual", "English", "firefox", "packed", "default"),
    *BASE["models"], *BASE["recipes"], *BASE["select"], *BASE["figures"], *BASE["sources"], *BASE["families"],
    *("../..", "$(id)", "a b", "x\n", "", ".", "-x", "resources/demo/seed.jsonl", "./nowhere", "resources/demo"),
    *("lora", "full", "a/{lang}", "/\x00", "2GB", "1h", "1e-5", "https://x/y", "http://[", "http://127.0.0.1:x"),
    "\ud800",
]  # fmt: skip
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(NAMES), max_size=3),
    st.dictionaries(st.one_of(st.sampled_from(NAMES), st.integers(), st.booleans()), st.integers(), max_size=2),
    st.dates(),
)


def of_schema(schema: dict, depth: int = 0) -> st.SearchStrategy:
    """Values that a part of the schema asks for, nearly: what else must hold is left to chance, and there is junk."""
    if "$ref" in schema:
        target = SCHEMA
        for key in schema["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        schema = target | {key: value for key, value in schema.items() if key != "$ref"}
    if "enum" in schema:
        return st.one_of(st.sampled_from(schema["enum"]), JUNK)
    if choices := [choice for choice in schema.get("oneOf", []) if set(choice) - {"required"}]:
        return st.one_of(*(of_schema(choice, depth) for choice in choices))
    kinds = schema.get("type", "object")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "object" and depth < 5:
        own = {name: of_schema(entry, depth + 1) for name, entry in schema.get("properties", {}).items()}
        found = st.fixed_dictionaries({}, optional=own).map(lambda value: dict(list(value.items())[:3]))
        if isinstance(more := schema.get("additionalProperties"), dict):
            named = st.dictionaries(st.sampled_from(NAMES), of_schema(more, depth + 1), max_size=2)
            found = st.builds(lambda one, other: one | other, found, named)
    elif kind == "array" and depth < 5:
        found = st.lists(of_schema(schema.get("items", {"type": "string"}), depth + 1), max_size=4)
    else:
        found = {
            "string": st.one_of(st.sampled_from(NAMES), st.text(max_size=12)),
            "integer": st.integers(0, 300),
            "number": st.one_of(st.integers(0, 300), st.floats(0, 2)),
        }.get(kind, JUNK)
        if "pattern" in schema:
            found = st.one_of(found, st.from_regex(schema["pattern"]))
    return st.one_of(found, found, found, JUNK)


KEYS = list(SCHEMA["properties"])
OVERLAYS = st.lists(st.sampled_from(KEYS), min_size=1, max_size=2, unique=True).flatmap(
    lambda keys: st.fixed_dictionaries({key: of_schema(SCHEMA["properties"][key]) for key in keys})
)
ACCEPTED: list[dict] = []


@pytest.fixture(scope="module", autouse=True)
def files_read_once():
    """A check reads the same files every time, most of it YAML."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml, "safe_load", lru_cache(yaml.safe_load))
        patch.setattr(local_files, "read_claims", lru_cache(local_files.read_claims))
        yield


@drawn(OVERLAYS)
def test_any_configuration_is_accepted_or_refused_in_one_line(overlay):
    config = merge(copy.deepcopy(BASE), copy.deepcopy(overlay))
    try:
        checking.check_configuration(config)
    except InputError as refusal:
        assert one_line(refusal), refusal
    else:
        ACCEPTED.append(overlay)


def test_what_is_accepted_can_be_planned_or_is_refused_in_one_line(tmp_path):
    """By Snakemake itself; of the configurations that the test before has found good, some."""
    assert ACCEPTED, "the test before this one finds them: run both"
    for overlay in random.Random(1).sample(ACCEPTED, min(len(ACCEPTED), 60 if SECONDS else 3)):
        path = tmp_path / "overlay.yaml"
        path.write_text(yaml.safe_dump(overlay, allow_unicode=True), encoding="utf-8")
        done = snakemake("--dry-run", "--quiet", "--cores", "1", *DEMO, str(path), "--", "all_figures")
        told = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
        assert done.returncode == 0 or len(told) == 1, (overlay, done.stdout[-2000:])


# ---- files

ROW = st.dictionaries(
    st.sampled_from(["id", "prompt", "x"]), st.one_of(st.text(), st.integers(), st.none(), st.lists(st.text()))
)
LINES = st.lists(st.one_of(st.binary(), ROW.map(lambda row: json.dumps(row).encode())), max_size=4).map(b"\n".join)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@drawn(st.one_of(st.binary(), LINES))
@example(b'{"id": ' + b"[" * 100_000)
@example(b'{"id": ' + b"9" * 5_000 + b"}")
@example(b'{"\\ud800": 1, "id": 1, "prompt": ""}')
def test_any_bytes_are_rows_or_refused_in_one_line(folder, content):
    path = folder / "rows.jsonl"
    path.write_bytes(content)
    try:
        rows = list(iter_jsonl(path, {"id": str | int, "prompt": str}))
    except InputError as refusal:
        assert one_line(refusal) and str(path) in str(refusal)
    else:
        write_jsonl(folder / "again.jsonl", rows)
        assert read_jsonl(folder / "again.jsonl") == rows or "NaN" in path.read_text()


# ---- replies of judges

PARTS = ["[[", "]]", "[", "]", "【", "］", "\\", "*", "2", "3", "1.0", "-1", "2,5", "9" * 400, "Rating: ", "²", "٣"]
SAID = st.lists(st.one_of(st.sampled_from(PARTS), st.text(max_size=4)), max_size=12).map("".join)


@drawn(SAID)
def test_any_reply_has_a_rating_on_the_scale_or_none(reply):
    assert parse_rating(reply) in (*RATINGS, None)


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just("\ud800")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(
            st.sampled_from(["choices", "message", "content", "usage", "prompt_tokens", "model", "system_fingerprint"]),
            inner,
        ),
    ),
    max_leaves=8,
)


@drawn(ANYTHING)
def test_any_completion_is_kept_as_a_reply_that_can_be_written_or_is_none(completion):
    try:
        reply = as_reply(completion, bound={"prompt_tokens": 100, "completion_tokens": 20})
    except NotAnswered as fault:
        assert one_line(fault)
        return
    assert is_reply(json.loads(json.dumps(reply, ensure_ascii=False).encode("utf-8"))), "as the journal will be read"


BODIES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [completion("Rating: [[2]]"), b"{}", b'{"error": {"message": "no"}}', b"[" * 2_000, b"\xff\xfe{\x00}\x00"]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=5,
    ).map(lambda value: json.dumps(value).encode()),
)
HEADERS = st.lists(
    st.sampled_from(
        [
            ("Content-Encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "nothing", "gzip" + ", gzip" * 9]),
            (
                "Content-Type",
                ["text/html; charset=utf-99", "application/json; charset=utf-16", "text/event-stream", ""],
            ),
            ("Content-Length", ["0", "7", "-1", "1e3", "9" * 30]),
            ("Transfer-Encoding", ["chunked", "gzip", "chunked, chunked"]),
            ("Location", ["/", "//[", "http://127.0.0.1:9/", "javascript:x", "\u00ff", "x" * 9_000]),
            ("Retry-After", ["nan", "-1", "1e999", "Thu, 01 Jan 1970 00:00:00 GMT", "soon"]),
            ("Retry-After-Ms", ["0", "inf", "x"]),
            ("Set-Cookie", ["a=b", "=", ";" * 99]),
            ("X", ["", "\u00e9", "x" * 70_000]),
        ]
    ).flatmap(lambda header: st.tuples(st.just(header[0]), st.sampled_from(header[1]))),
    max_size=3,
)
STATUSES = st.sampled_from(
    [200] * 8 + [100, 101, 199, 204, 206, 299, 301, 302, 304, 307, 400, 401, 403, 404, 413, 429, 500, 599]
)


@pytest.fixture(scope="module")
def answering() -> Iterator[Callable]:
    """What becomes of a call that is answered by such a response: its text, or the line of its fault."""
    with started() as server:
        told = JudgeSettings(name="j", model="m", base_url=server.url, patience=0.001, timeout=2)
        ask = Endpoint(told, server.url, "sk-fuzz", Ledger(None, told))

        def call(status: int, headers: list[tuple[str, str]], body: bytes) -> str:
            def answer(handler, status: int) -> None:
                lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in headers), "Connection: close"]
                handler.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

            server.fault = lambda prompt, n: (status, {}, answer)
            try:
                return ask("?")["text"]
            except (InputError, Refused) as fault:
                assert one_line(fault)
                return str(fault)

        yield call


@drawn(STATUSES, HEADERS, BODIES)
def test_any_response_is_a_reply_or_one_line(answering, status, headers, body):
    assert isinstance(answering(status, headers, body), str)
    assert answering(200, [], completion("Rating: [[2]]")) == "Rating: [[2]]", "whatever came before"


# ---- prompts and answers

ODD = [
    "\x00", "\x1b[31m", "\u202e", "\u200f", "\u2028", "\u0085", "\ufeff", "```", "|", "\\", "$", "{", "{input}",
    "${response}", "<script>", "![x](https://y/z.png)", "[a](b)", "<https://y>",
    "&", "`", "\r", "\n", "é", "中", "👩\u200d👩\u200d👧", "\ufffe", "</s>", "### ",
]  # fmt: skip
TEXTS = st.lists(st.one_of(st.sampled_from(ODD), st.text(max_size=6)), max_size=10).map("".join)


@pytest.fixture(scope="module")
def identifier(folder) -> "fasttext.FastText._FastText":
    made = folder / "identifier.bin"
    texts = {"en": "The cat is in the house.", "es": "El gato es un animal de la casa."}
    for lang, text in texts.items():
        (folder / f"{lang}.txt").write_text(f"{text}\n" * 100)
    program = [
        sys.executable,
        tiny.SCRIPTS / "train_langid.py",
        "--output",
        made,
        "--languages",
        references.LANGUAGES,
    ]
    subprocess.run([*program, "--corpus", *(f"{lang}={folder / lang}.txt" for lang in texts)], check=True)
    return load_model(made)


@pytest.fixture(scope="module")
def tokenizer(folder) -> Tokenizer:
    return Tokenizer(tiny.tokenizer(folder / "tokenizer"))


@drawn(st.one_of(TEXTS, st.just("\ud800")))
def test_any_prompt_goes_from_its_file_to_the_model_and_back_unchanged_or_is_refused(folder, tokenizer, text):
    path = folder / "prompts.jsonl"
    path.write_text(json.dumps({"id": 1, "prompt": text}) + "\n")
    try:
        ((row),) = check_prompts(read_jsonl(path, FIELDS), path, 1)
    except InputError as refusal:
        assert one_line(refusal)
        return
    write_jsonl(path, [row])
    assert read_jsonl(path) == [row]
    prompt = Template(tiny.ALPACA).prompt(row["prompt"])
    assert text in prompt
    ids = tokenizer.encode_prompt(prompt)
    assert tokenizer.decode(ids, "keep") == prompt
    assert cut_response(text, "\n### ") == text.split("\n### ")[0].strip()


@drawn(TEXTS, TEXTS)
def test_any_answer_is_shown_to_the_judge_word_for_word(prompt, response):
    template = judge.read_template(REPOSITORY / "resources" / "templates" / "judge.txt")
    shown = template.substitute(instruction=prompt, response=response)
    assert prompt in shown and shown.rstrip("\n").endswith(response.rstrip("\n"))


@drawn(TEXTS)
def test_any_answer_has_a_language_or_none(identifier, text):
    lines = {line for scripts in ("Latn", "Hans", "Jpan") for line in lines_to_judge(text, [scripts])}
    for piece in (text_to_identify(text), *sorted(lines)):
        ((label, probability),) = identify([piece], identifier)
        assert label in ("eng_Latn", "spa_Latn", None) and 0 <= probability <= 1


@drawn(TEXTS)
def test_any_text_can_stand_in_a_table_and_on_a_page_where_it_is_nothing_but_text(text):
    table = markdown_table([{"a": escape_markdown(text), "b": 1}], right=["b"])
    assert len(table.splitlines()) == 3, "a row is a line"
    html = page(f"{table}\n\n{escape_markdown(text)}\n\n{verbatim(text)}\n", "title", PAGE)
    body = html.split("<body>")[1].rsplit("<script>", 1)[0]
    assert not re.search("<(script|img|a|em|code)[ >]", body.replace("<pre><code", ""))
    latex_table([{"a": text, "b": "1"}], ["b"], text)
    pl.DataFrame({"a": [text]}).write_csv()
