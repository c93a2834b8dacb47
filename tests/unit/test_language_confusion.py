"""What counts as a line and as a word of another language; test_langid.py has whole answers."""

import pytest

from answering.language_confusion import confusion, foreign_words, in_latin_script, lines_to_judge

ENGLISH, RUSSIAN = ["eng_Latn"], ["rus_Cyrl"]


@pytest.mark.parametrize(
    "line",
    [
        "one two three four five",
        "- а, б, в, г: д",
        "क्या आप मुझे बता सकते",  # vowel signs are not letters, but do not end a word
        "我们喜欢读这本书。",  # eight characters, which a segmenter cuts into five
        "我們 Python 三個人都喜歡",
    ],
)
def test_five_words_make_a_line(line):
    assert lines_to_judge(line) == [line]


@pytest.mark.parametrize(
    "line", ["", "one two three four", "1 2 3 4 5 6", "+ - * / = !", "one - two - three - 4 5", "我们喜欢读书。"]
)
def test_a_line_of_fewer_words_is_left_out(line):
    assert lines_to_judge(f"{line}\nNow here are five words") == ["Now here are five words"]


def test_a_line_ends_at_any_line_break_and_runs_of_blanks_are_merged():
    text = "one  two three\tfour five\r\nsix seven eight nine ten\u2028 a b c d e "
    assert lines_to_judge(text) == ["one two three four five", "six seven eight nine ten", "a b c d e"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("Мы читаем books и статьи.", ["books"]),
        ("我们学习programming，很重要。", ["programming"]),
        ("Слово (word), «también» и même!", ["word", "también", "même"]),
        ("Для Python, HTML и iPhone", []),  # names are not lower-case
        ("Это 5 cm или 3 min, а не the end", []),  # too short
        ("На https://example.org/some/page и www.example.org", []),
        ("В файле notes.txt, /usr/local и me@example.org", []),
        ("Метод `print the words` и file_name, well-known, print(слово)", []),
        ("Все слова русские.", []),
    ],
)
def test_a_foreign_word_is_in_lower_case_with_at_least_four_latin_letters(line, found):
    assert foreign_words(line) == found


def test_a_language_of_two_scripts_is_latin_if_one_is():
    assert in_latin_script(["nob_Latn", "nno_Latn"]) and in_latin_script(["srp_Cyrl", "srp_Latn"])
    assert not in_latin_script(["zho_Hans", "zho_Hant"])


def test_every_line_must_be_in_a_language_asked_for():
    found = [("nob_Latn", 0.9), ("nno_Latn", 0.8)]
    assert confusion(["a", "b"], found, ["nob_Latn", "nno_Latn"], in_latin=True)["lines_match"] is True
    assert confusion(["a", "b"], found, ["nob_Latn"], in_latin=True)["lines_match"] is False


@pytest.mark.parametrize(("probability", "passes"), [(0.3, False), (0.31, True)])
def test_a_label_with_a_low_probability_does_not_count(probability, passes):
    assert confusion(["a line"], [("eng_Latn", probability)], ENGLISH, in_latin=True)["lines_match"] is passes


def test_words_are_judged_only_in_lines_that_pass_and_in_scripts_other_than_latin():
    with_a_word = ["Мы читаем books"]
    assert confusion(with_a_word, [("rus_Cyrl", 1.0)], RUSSIAN, in_latin=False)["words_match"] is False
    assert confusion(with_a_word, [("bul_Cyrl", 1.0)], RUSSIAN, in_latin=False)["words_match"] is None
    assert confusion(["We read books"], [("eng_Latn", 1.0)], ENGLISH, in_latin=True)["words_match"] is None
    assert confusion(["Мы читаем"], [("rus_Cyrl", 1.0)], RUSSIAN, in_latin=False)["words_match"] is True


def test_without_a_line_there_is_nothing_to_judge():
    assert confusion([], [], RUSSIAN, in_latin=False) == {"lines": 0, "lines_match": None, "words_match": None}
