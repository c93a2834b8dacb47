"""What counts as a line and as a word of English; test_langid.py has whole answers. The rules are those of the Language
Confusion Benchmark; benchmarks/bench_language_confusion.py compares the rates with its own."""

import json
import re

import pytest

from answering.language_confusion import confusion, lines_to_judge, read_english_words, scripts_of
from basics.errors import InputError
from basics.paths import REPOSITORY

ENGLISH, RUSSIAN = ["eng_Latn"], ["rus_Cyrl"]
CYRILLIC, LATIN, CHINESE, JAPANESE = {"Cyrl"}, {"Latn"}, {"Hans", "Hant"}, {"Jpan"}
DEMO = REPOSITORY / "resources" / "demo"
SURE = ("rus_Cyrl", 1.0)
WORDS = frozenset({"books", "programming"})


@pytest.mark.parametrize(
    ("line", "scripts"),
    [
        ("one two three four five", LATIN),
        ("1 2 3 4 5", LATIN),  # numbers are words
        ("क्या आप मुझे बता सकते", {"Deva"}),  # vowel signs are not letters, but do not end a word
        ("我们喜欢读书写字。", CHINESE),  # 我们 喜欢 读书 写字 and the full stop, which is not ASCII's
        ("我們 Python 三個人", CHINESE),  # a space is a word too
        ("私は本を読みます。", JAPANESE),  # two characters are a word
    ],
)
def test_five_words_make_a_line(line, scripts):
    assert lines_to_judge(line, scripts) == [line]


@pytest.mark.parametrize(
    ("line", "scripts"),
    [
        ("", LATIN),
        ("one two three four", LATIN),
        ("+ - * / = !", LATIN),  # ASCII's punctuation is gone before words are counted
        ("- а, б, в, г", CYRILLIC),
        ("我们喜欢读一本好书，也喜欢写字。", LATIN),  # segmented only in an answer that should be Chinese
        ("我们喜欢读书。", CHINESE),
        ("本を読む", JAPANESE),
    ],
)
def test_a_line_of_fewer_words_is_left_out(line, scripts):
    assert lines_to_judge(line, scripts) == []


def test_punctuation_is_removed_and_a_dash_separates_words():
    assert lines_to_judge("**Note:** a well-known «fact»—or—not, isn't it?", LATIN) == [
        "Note a wellknown «fact» or not isnt it"
    ]
    assert lines_to_judge("نعم، هذا كتاب جيد جدا", {"Arab"}) == ["نعم هذا كتاب جيد جدا"]


def test_a_line_ends_at_a_line_feed_and_code_has_lines_like_any_other():
    text = "one two three four five\n\n```\nfor a in b: c d\n```\nsix seven eight nine ten"
    assert lines_to_judge(text, LATIN) == ["one two three four five", "for a in b c d", "six seven eight nine ten"]


def test_an_answer_ends_where_the_model_asks_itself_another_question():
    assert lines_to_judge("a b c d e\nQ: And what is this?\na b c d e", LATIN) == ["a b c d e"]


@pytest.mark.parametrize(
    ("line", "passes"),
    [
        ("Мы читаем books и статьи", False),
        ("Мы читаем Books и BOOKS", True),  # in lower case only
        ("Мы читаем livres и textbooks", True),  # in no list, though in Latin letters
    ],
)
def test_an_english_word_is_one_of_the_list_in_lower_case(line, passes):
    assert confusion([line], [SURE], RUSSIAN, CYRILLIC, WORDS)["words_match"] is passes


def test_an_english_word_is_found_between_chinese_or_japanese_words():
    for line, label, scripts in [
        ("我们学习programming很重要", "zho_Hans", CHINESE),
        ("私はprogrammingを学ぶ", "jpn_Jpan", JAPANESE),
        ("第1章2programming入門", "jpn_Jpan", JAPANESE),
    ]:
        assert confusion([line], [(label, 1.0)], [label], scripts, WORDS)["words_match"] is False


def test_a_language_has_the_scripts_of_its_labels():
    assert scripts_of(["nob_Latn", "nno_Latn"]) == {"Latn"} and scripts_of(["zho_Hans", "zho_Hant"]) == CHINESE


def test_every_line_must_be_in_a_language_asked_for():
    found = [("nob_Latn", 0.9), ("nno_Latn", 0.8)]
    assert confusion(["a", "b"], found, ["nob_Latn", "nno_Latn"], LATIN, WORDS)["lines_match"] is True
    assert confusion(["a", "b"], found, ["nob_Latn"], LATIN, WORDS)["lines_match"] is False


@pytest.mark.parametrize(("probability", "passes"), [(0.3, False), (0.31, True)])
def test_a_label_with_a_low_probability_does_not_count(probability, passes):
    assert confusion(["a line"], [("eng_Latn", probability)], ENGLISH, LATIN, WORDS)["lines_match"] is passes


@pytest.mark.parametrize(
    ("label", "scripts", "english", "words_match"),
    [
        ("rus_Cyrl", CYRILLIC, WORDS, True),
        ("bul_Cyrl", CYRILLIC, WORDS, None),  # the line does not pass
        ("rus_Cyrl", {"Cyrl", "Latn"}, WORDS, None),  # as for Serbian in two scripts
        ("rus_Cyrl", CYRILLIC, None, None),
    ],
)
def test_words_are_judged_by_a_list_in_lines_that_pass_and_in_scripts_other_than_latin(
    label, scripts, english, words_match
):
    assert confusion(["Мы читаем"], [(label, 1.0)], RUSSIAN, scripts, english)["words_match"] is words_match


def test_without_a_line_there_is_nothing_to_judge():
    nothing = {"lines": 0, "lines_match": None, "words_match": None}
    assert confusion([], [], RUSSIAN, CYRILLIC, WORDS) == nothing


def test_names_and_short_words_of_a_list_are_not_looked_for(tmp_path):
    path = tmp_path / "words"
    path.write_text("A\nParis\nbook\nbook's\nthe\nNASA\n")
    assert read_english_words(path) == {"book", "book's"}


def test_a_list_without_such_words_is_refused(tmp_path):
    path = tmp_path / "words"
    path.write_text("Paris\nthe\n")
    with pytest.raises(InputError, match="words: no lower-case word of 4 letters; give a list of words, one a line"):
        read_english_words(path)


def test_the_miniatures_list_has_the_words_of_its_seed_data():
    rows = map(json.loads, (DEMO / "seed.jsonl").read_text(encoding="utf-8").splitlines())
    texts = " ".join(text for row in rows for text in (row["instruction"], row["input"], row["output"]))
    wanted = {word for word in re.findall("[A-Za-z]+", texts) if word.islower() and len(word) > 3}
    assert read_english_words(DEMO / "english-words.txt") == wanted
