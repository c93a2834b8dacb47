"""Which parts of a text go to the translation engine, which are copied, and what must survive inside a segment."""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from translating import structure
from translating.structure import cut, kept_texts, prose_segments, rebuild

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"
HARD_ROWS = yaml.safe_load((Path(__file__).parent / "hard_rows.yaml").read_text(encoding="utf-8"))
CODE = "Use this:\n```python\nfor i in range(3):\n    print(i)  # a comment.\n```\nIt counts."

hard_rows = pytest.mark.parametrize("row", [pytest.param(row, id=row["name"]) for row in HARD_ROWS])


def positions(spans: Iterable[str], text: str) -> Iterator[range]:
    """The positions of spans in a text, one after the other."""
    end = 0
    for span in spans:
        start = text.find(span, end)
        assert start >= 0, f"{span!r} is not in {text[end:]!r}"
        end = start + len(span)
        yield range(start, end)


# Hard rows: see the head of hard_rows.yaml


@hard_rows
def test_the_prose_of_a_hard_row_goes_to_the_engine(row):
    assert prose_segments(row["text"]) == row["prose"]


@hard_rows
def test_what_must_survive_in_a_hard_row_is_kept(row):
    """A span may be kept in parts, or with whatever is attached to it; no other word is kept."""
    segments = "\n".join(row["prose"])
    found = [span for segment in row["prose"] for span in kept_texts(segment)]
    covered = {place for places in positions(found, segments) for place in places}
    wanted = list(positions(row["kept"], segments))
    for span, places in zip(row["kept"], wanted, strict=True):
        assert covered.issuperset(places), f"{span!r} is not kept whole: {found}"
    for word in re.finditer(r"\S+", segments):
        places = range(*word.span())
        if not any(place in places for span in wanted for place in span):
            assert not any(segments[place].isalpha() for place in covered.intersection(places)), word.group()


@hard_rows
def test_the_pieces_of_a_hard_row_add_up_to_it(row):
    assert "".join(piece.text for piece in cut(row["text"])) == row["text"]


@hard_rows
def test_nothing_but_the_prose_of_a_hard_row_changes(row):
    rebuilt = rebuild(row["text"], {segment: f"<{segment}>" for segment in row["prose"]})
    assert re.sub("[<>]", "", rebuilt) == re.sub("[<>]", "", row["text"])
    assert len(rebuilt) == len(row["text"]) + 2 * len(row["prose"])


def test_the_hard_rows_are_many_and_have_distinct_names():
    assert len({row["name"] for row in HARD_ROWS}) == len(HARD_ROWS) >= 45


# Rules, one by one


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("Name a colour.", ["Name a colour."]),
        ("One sentence. And another.", ["One sentence. And another."]),
        ("First line.\nSecond line.", ["First line.", "Second line."]),
        ("First line.\r\nSecond line.\r\n", ["First line.", "Second line."]),
        ("One line\u2028another", ["One line", "another"]),
        ("  indented\n\n\n\tand tabbed  \n", ["indented", "and tabbed"]),
        ("a cell\tanother\tthe last", ["a cell", "another", "the last"]),
        ("", []),
        ("\n \n\t\n", []),
    ],
)
def test_a_line_is_one_segment_without_the_space_around_it(text, segments):
    assert prose_segments(text) == segments


@pytest.mark.parametrize(
    ("marker", "body"),
    [
        ("- ", "Eat fruit"),
        ("  * ", "Eat fruit"),
        ("• ", "Eat fruit"),
        ("1. ", "Eat fruit"),
        ("12) ", "Eat fruit"),
        ("(3) ", "Eat fruit"),
        ("a) ", "Eat fruit"),
        ("B. ", "Eat fruit"),
        ("ii. ", "Eat fruit"),
        ("## ", "Fruit"),
        ("> ", "He said so."),
        ("- [ ] ", "Buy fruit"),
        ("> 1. ", "Eat fruit"),
        ("", "-5 degrees is cold"),
        ("", "1.5 litres of milk"),
        ("", "*Fruit* is good"),
        ("", "A dog"),
    ],
)
def test_a_list_marker_stays_and_the_rest_is_translated(marker, body):
    assert prose_segments(marker + body) == [body]
    assert rebuild(marker + body, {body: "X"}) == marker + "X"


@pytest.mark.parametrize(
    "line",
    [
        *("42", "3 + 4 = 7", "1.", "-", "- 12", "---", "| --- | --- |", "...", "😀", "№ 5"),
        *("https://example.org/a?b=c", "- www.example.org", "<https://example.org>", "me@example.org"),
        *("http://a.example http://b.example", "<noinput>", "____", "Привет, мир!", "你好。"),
    ],
)
def test_lines_with_nothing_to_translate_pass_through(line):
    assert prose_segments(f"Before this.\n{line}\nAfter that.") == ["Before this.", "After that."]


@pytest.mark.parametrize(
    "line",
    [
        *("Distance = 60 miles", "Rating = 5 stars", "Salary = 500 dollars per week", "Speed = distance / time"),
        *("Cost = (price of apples) + (price of pears)", "x = the number of apples", "The answer is x = 5."),
        *("if you live in Paris:", "While you wait:", "For example (see below):", "with love as always:"),
        *("Select the correct word from the list;", "SELECT YOUR FAVORITE", "FROM THE DESK OF ANN", "ORDER BY PHONE"),
        *("return to sender;", "raise the flag;", "pass the salt", "break a leg", "then we left", "case closed"),
        *("static electricity (also known as cling)", "final exam (June);", "class is over (finally)", "string theory"),
        *("person(s) and place(s)", "Print (in colour) costs more.", "Import duties are high.", "Name: Ann; Age: 30"),
        *("git commit is a command.", "find a friend", "echo of the past", "cat food is cheap", "const is a keyword"),
        *("love: a word;", "cons: expensive", '"Quoted": he said', "@ann thanks for this!", "$5 is cheap"),
    ],
)
def test_prose_that_looks_like_code_is_translated(line):
    assert prose_segments(line) == [line]
    assert prose_segments(f"x = 5\n\n{line}\n\nprint(x)") == [line]


@pytest.mark.parametrize(
    "line",
    [
        "The moon hangs low above the sea;",
        "The wind is calm, e.g. at 9 a.m.",
        "Write to ann@example.org [1]",
        "Thank you (and your friend(s)) for it",
    ],
)
def test_indented_prose_is_translated(line):
    assert prose_segments(f"Dear Ann,\n\n    {line}\n    and this,\n\nYours") == [
        "Dear Ann,",
        line,
        "and this,",
        "Yours",
    ]


def test_two_spaces_between_words_are_a_typo_but_columns_are_separate_segments():
    assert prose_segments("The cat  sat on the mat.") == ["The cat  sat on the mat."]
    assert prose_segments("First one.  Second one.") == ["First one.", "Second one."]
    assert prose_segments("apple pie   pear cake") == ["apple pie", "pear cake"]


@pytest.mark.parametrize("word", ["été", "Łódź", "İyi", "ở đâu"])
def test_latin_letters_with_marks_are_letters(word):
    assert prose_segments(word) == [word]


def test_a_line_with_words_beside_a_url_is_translated():
    assert prose_segments("See https://example.org for more.") == ["See https://example.org for more."]


def test_a_fenced_code_block_passes_through_with_its_fences():
    assert prose_segments(CODE) == ["Use this:", "It counts."]
    assert rebuild(CODE, {"Use this:": "A", "It counts.": "B"}) == CODE.replace("Use this:", "A").replace(
        "It counts.", "B"
    )


@pytest.mark.parametrize(
    "text",
    [
        "```\ncode\n~~~\nstill code\n```\nsome prose",
        "````\n```\ncode\n```\n````\nsome prose",
        "~~~ python\ncode\n~~~\nsome prose",
        "  ```\n  code\n  ```\nsome prose",
        "some prose\n```\nnever closed\nso all of it is code",
        "```\r\ncode\r\n```\r\nsome prose\r\n",
    ],
)
def test_a_fence_is_closed_only_by_a_matching_one(text):
    assert prose_segments(text) == ["some prose"]


LAYOUT = st.sampled_from(
    [
        *("- ", "1. ", "```\n", "~~~", "\n", "\r\n", "  ", "\t", "\u2028", "# ", "www.a.b ", "a ", "é", "(b) ", "| "),
        *("def f(x):\n", "x = 1;\n", '"""', "    ", "`", "$", "<b>", "{a}", "__", "iv. ", "你", "\u200f", "two words "),
    ]
)
TEXTS = st.lists(LAYOUT | st.text(max_size=5)).map("".join)


@given(TEXTS)
@example(CODE)
def test_pieces_add_up_to_the_text_and_prose_has_letters_and_no_space_around_it(text):
    pieces = cut(text)
    assert "".join(piece.text for piece in pieces) == text
    assert rebuild(text, {segment: segment for segment in prose_segments(text)}) == text
    for segment in prose_segments(text):
        assert segment == segment.strip()
        assert any(character.isalpha() for character in segment)
        assert len(segment.splitlines()) == 1


@given(TEXTS)
def test_what_is_kept_of_a_segment_occurs_in_it_in_order(text):
    for segment in prose_segments(text):
        list(positions(kept_texts(segment), segment))


@given(TEXTS | st.sampled_from([segment for row in HARD_ROWS for segment in row["prose"]]))
def test_the_quick_check_never_misses_anything_that_is_kept(text):
    assert structure.MAY_KEEP.search(text) or not structure.KEPT.search(text)


LONG = """
import sys
from translating.structure import cut, kept_texts, prose_segments
text = sys.argv[1] * (100_000 // len(sys.argv[1]))
assert "".join(piece.text for piece in cut(text)) == text
for segment in prose_segments(text):
    kept_texts(segment)
"""
UNITS = [
    *(
        "word ",
        "\n",
        " \n \n",
        "```\nx\n",
        "Take 3. ",
        "word, ",
        "  a",
        "a",
        "a.",
        "a-",
        "a_",
        "a@",
        "A ",
        "x = ",
        "1",
        "1. ",
        "1,",
        "-",
        "- ",
        "_",
        "<a ",
        "<",
    ),
    *(
        "<",
        "(",
        "[",
        "{",
        "{a",
        "`",
        "``a ",
        "$x",
        "\\a{",
        '"',
        "|",
        "a|",
        "\t",
        "a\n",
        "'''\n",
        "if (",
        "www.",
        "http://",
    ),
    *("(a", "a(", "a,b ", "é", "你", "你 a", "a  b c", "a: b;", "#a", "@a", "&a", "= ", "->", "👩\u200d", "\u200b"),
]


@pytest.mark.parametrize("unit", UNITS)
def test_a_text_of_100_000_characters_is_cut_without_delay(unit):
    """No pattern may backtrack over a long line. It runs in another process, because a pattern cannot be stopped."""
    subprocess.run([sys.executable, "-c", LONG, unit], cwd=SCRIPTS, timeout=15, check=True)


def test_a_segment_that_occurs_twice_is_replaced_twice():
    assert rebuild("Yes\nNo\nYes", {"Yes": "Да", "No": "Нет"}) == "Да\nНет\nДа"


def test_a_missing_translation_is_an_error():
    with pytest.raises(KeyError):
        rebuild("Yes\nNo", {"Yes": "Да"})
