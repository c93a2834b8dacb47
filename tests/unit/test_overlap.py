"""Overlap of prompts and rows: planted copies, near copies and none, with the values that they must have."""

import csv
import itertools
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

import overlap
from data.similarity import GramTable, compared, gram_size, grams_of, near_an_earlier, similarities

SCRIPT = Path(overlap.__file__)
REPOSITORY = SCRIPT.parents[2]
SHARED = REPOSITORY.parent / "shared" / "data"
PROMPTS = [
    {"id": "copy", "prompt": "What is the capital of France?"},
    {"id": "near", "prompt": "Give three tips for staying healthy in winter."},
    {"id": "with-input", "prompt": "Translate this sentence into German: The weather is nice today."},
    {"id": "quoted", "prompt": "How many planets are there?"},
    {"id": "none", "prompt": "Compose a limerick about badgers"},
]
ROWS = [
    ("Give three tips for staying healthy in summer.", ""),
    ("what is  the capital of FRANCE", ""),
    ("Translate this sentence into German", "The weather is nice today"),
    (
        "Answer the question",
        "How many planets are there? Somebody asked this of an astronomer who did not know at all.",
    ),
    ("Answer the question", "Who painted the ceiling of the chapel?"),
    ("Answer the question!", "Who painted the ceiling of the chapel"),
    ("Answer this question", "Who painted the ceiling of the chapel?"),
]


def rows_of(texts) -> list[dict]:
    return [{"id": 10 * n, "instruction": a, "input": b, "output": "x"} for n, (a, b) in enumerate(texts)]


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def run(*arguments):
    command = [sys.executable, SCRIPT, "--languages", REPOSITORY / "resources/languages.yaml", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8")


def table_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The tables of a language with planted overlap, one without rows, and one without prompts."""
    folder = tmp_path_factory.mktemp("overlap")
    prompts, rows = jsonl(folder / "prompts.jsonl", PROMPTS), jsonl(folder / "rows.jsonl", rows_of(ROWS))
    files = ("--prompts", f"hi={prompts}", "--prompts", f"en={prompts}", "--rows", f"en={rows}", "--rows", f"es={rows}")
    done = run(*files, "--output-prefix", folder / "overlap")
    assert not done.returncode, done.stderr
    return folder, done.stderr


def test_planted_copies_near_copies_and_quotations_are_counted_and_nothing_else(made):
    english = table_of(made[0] / "overlap.csv")[0]
    assert english == {
        "lang": "en",
        "prompts": "5",
        "rows": "7",
        "copied": "2",
        "near": "3",
        "by instruction": "2",
        "with input": "1",
        "within": "4",
        "highest": "1.0",
        "rows repeated": "1",
        "rows near": "1",
    }


def test_each_prompt_is_listed_with_its_nearest_row_and_both_texts(made):
    pairs = table_of(made[0] / "overlap-pairs.csv")
    assert [(pair["prompt"], pair["row"], pair["part"]) for pair in pairs[:3]] == [
        ("copy", "10", "instruction"),
        ("near", "0", "instruction"),
        ("with-input", "20", "instruction and input"),
    ]
    near = pairs[1]
    assert near["prompt_text"] == PROMPTS[1]["prompt"] and near["row_text"] == ROWS[0][0]
    assert 0.7 <= float(near["similarity"]) < 1
    [quoted] = [pair for pair in pairs if pair["prompt"] == "quoted"]
    assert float(quoted["similarity"]) < 0.7, "listed because nothing is nearer"


def test_a_language_without_rows_or_without_prompts_has_empty_cells_instead_of_zeros(made):
    _, spanish, hindi = table_of(made[0] / "overlap.csv")
    assert (spanish["lang"], spanish["near"], spanish["rows repeated"]) == ("es", "", "1")
    assert (hindi["lang"], hindi["prompts"], hindi["near"], hindi["rows repeated"]) == ("hi", "5", "", "")
    text = (made[0] / "overlap.md").read_text(encoding="utf-8")
    assert "–" in text.splitlines()[3] and "at least 0.7" in text
    assert [line.split("|")[1].strip() for line in text.splitlines()[2:5]] == ["English", "Spanish", "Hindi"]


def test_the_last_line_of_the_log_says_what_was_found(made):
    said = made[1].splitlines()
    assert said[0] == "en: 5 prompts and 7 rows compared"
    assert said[-1] == "overlap: 3 prompts with a near duplicate"


def test_the_same_input_gives_the_same_bytes_whatever_the_order_of_sets(made, tmp_path):
    folder, _ = made
    files = [f"{folder}/{name}.jsonl" for name in ("prompts", "rows")]
    options = ["--prompts", f"en={files[0]}", "--rows", f"en={files[1]}", "--languages", "resources/languages.yaml"]
    for seed in ("1", "2"):
        command = [sys.executable, SCRIPT, *options, "--output-prefix", tmp_path / seed]
        subprocess.run(command, check=True, cwd=REPOSITORY, env={"PYTHONHASHSEED": seed}, capture_output=True)
    for end in (".csv", ".md", "-pairs.csv"):
        assert (tmp_path / f"1{end}").read_bytes() == (tmp_path / f"2{end}").read_bytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--prompts, --rows: there is no file"),
        (("--prompts", "en=a", "--prompts", "en=b"), "--prompts: the language en is given twice"),
        (("--rows", "xx=a"), "the language 'xx' is missing"),
        (("--rows", "en=absent.jsonl"), "absent.jsonl: no such file"),
        (("--rows", "en=a", "--threshold", "0"), "must be above 0 and at most 1"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(options, said, tmp_path):
    done = run(*options, "--output-prefix", tmp_path / "o")
    assert done.returncode and said in done.stderr and "Traceback" not in done.stderr


# ---- similarity


def test_case_punctuation_spacing_and_forms_of_characters_are_not_compared():
    assert compared("  What's 2+2,\n PLEASE?") == "what s 2 2 please"
    assert compared("ＡＢＣ１") == "abc1"
    assert compared("हिन्दी में") == "हिन्दी में", "vowel signs are part of words"
    assert compared(" 😀 ") != compared("😂"), "without a word, a text is compared as it is"


def test_a_short_text_is_its_own_gram_and_an_empty_one_has_none():
    assert grams_of("abcdef", 5) == {"abcde", "bcdef"}
    assert grams_of("ab", 5) == {"ab"}
    assert grams_of("", 5) == set()


def test_grams_are_shorter_where_a_character_stands_for_a_word():
    assert [gram_size(labels) for labels in (["eng_Latn"], ["zho_Hans", "zho_Hant"], ["jpn_Jpan"], ["hin_Deva"])] == [
        5,
        2,
        2,
        5,
    ]


def test_one_word_of_ten_that_is_replaced_leaves_a_similarity_of_about_0_7():
    words = ["please", "describe", "the", "main", "reasons", "for", "rising", "sea", "levels", "today"]
    text = " ".join(words)
    for place in (0, 4, 9):
        other = " ".join([*words[:place], "qqqqqq", *words[place + 1 :]])
        grams = GramTable(5)
        assert 0.6 < similarities(grams.table([text]), grams.table([other]))["similarity"].item() < 0.9


def test_the_similarity_is_that_of_the_sets():
    grams = GramTable(2)
    [pair] = similarities(grams.table(["abcd"]), grams.table(["xyz", "bcde"])).to_dicts()
    assert (pair["there"], pair["similarity"], pair["covered"]) == (1, 2 / 4, 2 / 3)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("most", [20, 10_000_000])
def test_no_near_duplicate_is_missed_and_none_is_made_up(threshold, most, monkeypatch):
    monkeypatch.setattr("data.similarity.MOST_LINES", most)
    draw = random.Random(3)
    texts = ["".join(draw.choices("abcd", k=draw.randint(0, 14))) for _ in range(120)]
    sets = [grams_of(text, 2) for text in texts]
    wanted = {
        later
        for earlier, later in itertools.combinations(range(len(texts)), 2)
        if sets[earlier] and len(sets[earlier] & sets[later]) >= threshold * len(sets[earlier] | sets[later]) - 1e-9
    }
    assert 5 < len(wanted) < 115
    assert near_an_earlier(GramTable(2).table(texts), threshold) == sorted(wanted)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs real rows in shared/data")
def test_real_rows_and_prompts_do_not_overlap_except_where_a_prompt_is_planted():
    rows = json.loads((SHARED / "alpaca/en.json").read_text(encoding="utf-8"))
    rows = [row | {"id": place} for place, row in enumerate(rows)]
    lines = (SHARED / "openassistant/test_en.jsonl").read_text(encoding="utf-8").splitlines()
    prompts = [json.loads(line) for line in lines]
    line, pairs = overlap.overlap_of("en", prompts, rows, 5, 0.7)
    assert (line["copied"], line["near"], line["within"], line["rows repeated"]) == (0, 0, 0, 5)
    assert len(pairs) == 50 and line["highest"] == 0.2469
    planted = rows_of([(prompts[7]["prompt"].upper(), "")])
    assert overlap.overlap_of("en", prompts, [*rows, *planted], 5, 0.7)[0]["copied"] == 1
