"""The texts of the miniature: what is shipped is what the script makes, and it is fit for purpose."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import demo_text
from basics.errors import InputError
from basics.reading import read_jsonl

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO = REPOSITORY / "resources" / "demo"
SCRIPT = REPOSITORY / "workflow" / "scripts" / "demo_text.py"
GRAMMAR = demo_text.load_grammar(DEMO / "grammar.yaml")
TRAINED = ["en", "es", "fr", "bg", "ru", "zh"]
TESTED = [*TRAINED, "bn", "no"]
TARGETS = TRAINED[1:]
SCRIPTS = {"bg": "Ѐ-ӿ", "ru": "Ѐ-ӿ", "zh": "一-鿿", "bn": "ঀ-৿"}  # code points of a language's writing
FENCE = re.compile(r"```.*?```", re.DOTALL)
MARKER = re.compile(r"^(?:\d+\.|-) ")


def write(kind: str, output: Path, *options: str) -> bytes:
    """What the program writes."""
    command = [sys.executable, SCRIPT, kind, "--grammar", DEMO / "grammar.yaml", "--output", output, *options]
    subprocess.run(command, check=True)
    return output.read_bytes()


def shipped_seed() -> list[dict]:
    return read_jsonl(DEMO / "seed.jsonl", ["id", "instruction", "input", "output"])


def prompts(language: str) -> list[dict]:
    return read_jsonl(DEMO / "prompts" / f"{language}.jsonl", ["id", "prompt"])


def split(text: str) -> list[str]:
    """The translatable segments of a field, found without the grammar: no code, no markers, sentence by sentence."""
    lines = (MARKER.sub("", line) for line in FENCE.sub("", text).split("\n"))
    return [sentence for line in lines for sentence in re.split(r"(?<=[.?!]) ", line) if sentence]


# ---- The files shipped


@pytest.mark.parametrize("kind", ["seed", "references"])
def test_shipped_file_is_what_the_program_writes(kind, tmp_path):
    assert write(kind, tmp_path / "out") == (DEMO / f"{kind}.jsonl").read_bytes()


@pytest.mark.parametrize("kind", ["prompts", "controls"])
def test_shipped_prompts_and_controls_are_what_the_program_writes(kind, tmp_path):
    assert write(kind, tmp_path / "out", "--language", "no") == (DEMO / kind / "no.jsonl").read_bytes()


@pytest.mark.parametrize("language", TESTED)
def test_shipped_controls_are_those_of_the_grammar(language):
    assert read_jsonl(DEMO / "controls" / f"{language}.jsonl") == demo_text.controls(GRAMMAR, language)


@pytest.mark.parametrize("language", TESTED)
def test_shipped_prompts_are_those_of_the_grammar(language):
    assert prompts(language) == demo_text.prompts(GRAMMAR, language)


def test_seed_has_at_least_150_rows_numbered_from_0_and_none_twice():
    rows = shipped_seed()
    assert len(rows) >= 150
    assert [row["id"] for row in rows] == list(range(len(rows)))
    assert len({(row["instruction"], row["input"]) for row in rows}) >= 150
    assert all(row["instruction"] and row["output"] for row in rows)


@pytest.mark.parametrize(
    ("shape", "holds", "at_least"),
    [
        ("an input", lambda row: row["input"], 15),
        ("a numbered list", lambda row: re.search(r"^1\. .+\n2\. .+\n3\. ", row["output"]), 5),
        ("a bulleted list", lambda row: re.search(r"^- .+\n- .+\n- ", row["output"]), 5),
        ("code in the output", lambda row: "```python\nprint(" in row["output"], 5),
        ("code in the input", lambda row: "```python\nprint(" in row["input"], 3),
        ("numbers", lambda row: re.search(r"\d plus \d is \d", row["output"]), 8),
        ("prose of several lines", lambda row: re.search(r"\.\n.+\.\n.+\.$", row["output"]), 5),
        ("two sentences in a line", lambda row: re.search(r"\. [A-Z]", row["output"]), 20),
    ],
)
def test_seed_has_rows_of_every_shape(shape, holds, at_least):
    assert sum(bool(holds(row)) for row in shipped_seed()) >= at_least


def test_sums_and_programs_in_the_seed_are_right():
    for row in shipped_seed():
        for a, b, c in re.findall(r"(\d) plus (\d) is (\d)", row["output"]):
            assert int(a) + int(b) == int(c)
        for program, printed in re.findall(r"print\((.+?)\)\n```\s.*number (\d)", f"{row['input']}\n{row['output']}"):
            assert eval(program) == int(printed)


def test_thirty_concepts_of_which_six_are_held_out():
    assert len(GRAMMAR["concepts"]) == 30
    assert len(demo_text.seen_concepts(GRAMMAR)) == 24


@pytest.mark.parametrize("language", TRAINED)
def test_held_out_concepts_occur_nowhere_in_the_seed(language):
    """Searched for as whole words, but as substrings in Chinese, which has no spaces."""
    text = json.dumps(demo_text.seed(GRAMMAR, language), ensure_ascii=False).lower()
    held = set(GRAMMAR["concepts"]) - set(demo_text.seen_concepts(GRAMMAR))
    for concept in held:
        noun = GRAMMAR["concepts"][concept][language]["n"]
        pattern = noun if language == "zh" else rf"\b{noun}\b"
        assert not re.search(pattern, text), noun


# ---- Prompts and their answers


def test_prompts_have_the_same_ids_in_all_eight_languages():
    ids = [row["id"] for row in prompts("en")]
    assert len(ids) == len(set(ids)) == 10
    assert all([row["id"] for row in prompts(language)] == ids for language in TESTED)


def test_ids_of_prompts_tell_seen_from_held_out_concepts():
    held = [name for name, concept in GRAMMAR["concepts"].items() if concept.get("held")]
    ids = [row["id"] for row in prompts("en")]
    assert sum(name.startswith("held-") for name in ids) == 3
    for name in ids:
        assert name.startswith("held-") == (name.split("-")[-1] in held)


def test_seven_prompts_are_instructions_of_the_seed():
    instructions = {row["instruction"] for row in shipped_seed()}
    assert [row["prompt"] in instructions for row in prompts("en")] == [
        not row["id"].startswith("held-") for row in prompts("en")
    ]


def test_every_prompt_has_a_reference_in_its_language():
    key = {(row["lang"], row["id"]): row for row in read_jsonl(DEMO / "references.jsonl")}
    assert len(key) == 80
    for language in TESTED:
        for row in prompts(language):
            reference = key[language, row["id"]]
            assert reference["prompt"] == row["prompt"]
            assert reference["reference"]
    for name in {name for _, name in key}:
        assert len({key[language, name]["reference"] for language in TESTED}) == 8


# ---- Parallel text


@pytest.mark.parametrize("language", TARGETS)
def test_every_translatable_segment_of_the_seed_has_a_pair(language):
    pairs = dict(demo_text.parallel_pairs(GRAMMAR, language))
    fields = (row[field] for row in shipped_seed() for field in ("instruction", "input", "output"))
    assert {segment for field in fields for segment in split(field)} <= pairs.keys()


@pytest.mark.parametrize("language", TARGETS)
def test_every_segment_has_one_pair_in_two_languages(language):
    pairs = demo_text.parallel_pairs(GRAMMAR, language)
    assert len({source for source, _ in pairs}) == len(pairs)
    for source, target in pairs:
        assert source != target
        assert source.strip() == source and target.strip() == target
        assert not re.search(r"[.?!] |[\n\t{}]", source), "the engine would split it"
        assert re.findall(r"\d", source) == re.findall(r"\d", target)
        if language in SCRIPTS:
            assert not re.search(r"[A-Za-z]", target.replace("Python", ""))
            assert re.search(f"[{SCRIPTS[language]}]", target)


@pytest.mark.parametrize("language", TARGETS)
def test_the_seed_in_another_language_has_the_same_rows_and_lines(language):
    for english, other in zip(shipped_seed(), demo_text.seed(GRAMMAR, language), strict=True):
        assert english["id"] == other["id"]
        for field in ("instruction", "input", "output"):
            assert FENCE.findall(english[field]) == FENCE.findall(other[field])
            lines, counterparts = english[field].split("\n"), other[field].split("\n")
            assert [MARKER.findall(line) for line in lines] == [MARKER.findall(line) for line in counterparts]


def test_a_segment_with_two_translations_is_refused(tmp_path):
    grammar = yaml.safe_load((DEMO / "grammar.yaml").read_text(encoding="utf-8"))
    grammar["concepts"]["dog"]["en"]["u"] = grammar["concepts"]["cat"]["en"]["u"]
    with pytest.raises(InputError, match=r"'It likes milk\.' has two translations in 'es'"):
        demo_text.parallel_pairs(grammar, "es")


# ---- Corpus


@pytest.mark.parametrize("language", TESTED)
def test_corpus_is_written_in_its_language_with_every_slot_filled(language):
    documents = list(demo_text.corpus(GRAMMAR, language, 20_000))
    text = "\n".join(documents)
    assert all(documents) and "\n" not in "".join(documents)
    assert not re.search(r"[{}]|  ", text)
    if language in SCRIPTS:
        assert not re.search(r"[A-Za-z]", text)
        assert re.search(f"[{SCRIPTS[language]}]", text)


def test_corpus_has_as_many_characters_as_asked_for():
    text = "".join(demo_text.corpus(GRAMMAR, "en", 20_000))
    assert 20_000 <= len(text) < 20_600


def test_corpus_has_equally_much_content_in_every_language():
    sizes = [len(list(demo_text.corpus(GRAMMAR, language, 60_000))) for language in TESTED]
    assert max(sizes) < 1.1 * min(sizes)


def test_corpus_depends_on_its_seed_alone(tmp_path):
    options = ("--language", "bn", "--characters", "5000", "--seed")
    first = write("corpus", tmp_path / "first", *options, "1")
    assert first == write("corpus", tmp_path / "again", *options, "1")
    assert first != write("corpus", tmp_path / "other", *options, "2")


# ---- Faults


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('    "no": {n: katten,', "    no: {n: katten,", "concepts, cat: no entry in 'no'; add one"),
        ("phrases:\n", "sentences:\n", "the section 'phrases' is missing"),
        ("  cat:\n", "  cat: [\n", "not valid YAML"),
    ],
)
def test_a_faulty_grammar_gives_one_line(old, new, message, tmp_path):
    text = (DEMO / "grammar.yaml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "grammar.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as error:
        demo_text.load_grammar(tmp_path / "grammar.yaml")
    assert message in str(error.value) and "\n" not in str(error.value)


def test_an_unknown_language_gives_one_line(tmp_path):
    with pytest.raises(InputError, match="language 'xx': not in the grammar, which has en es fr bg ru zh bn no"):
        demo_text.prompts(GRAMMAR, "xx")
    with pytest.raises(InputError, match="language 'bn': the seed data exists in en es fr bg ru zh only"):
        demo_text.seed(GRAMMAR, "bn")


# ---- The table of languages


def test_languages_have_a_name_and_openlid_labels():
    table = yaml.safe_load((REPOSITORY / "resources" / "languages.yaml").read_text(encoding="utf-8"))
    assert set(table) >= {*TESTED, "cs", "de", "fi", "hi"}
    assert all("own" in table[code] for code in (*TESTED, "cs", "de", "fi", "hi"))
    labels = [label for entry in table.values() for label in entry["labels"]]
    assert len(labels) == len(set(labels))
    for called in ("name", "own"):
        names = [entry[called] for entry in table.values() if called in entry]
        assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]{3}_[A-Z][a-z]{3}", label) for label in labels)
    assert table["no"]["labels"] == ["nob_Latn", "nno_Latn"]
    assert table["zh"]["labels"] == ["zho_Hans", "zho_Hant"]
