"""What of a text goes to the translation engine, and what comes through as it was."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from segments import cut, prose, rebuild

CODE = "Use this:\n```python\nfor i in range(3):\n    print(i)  # a comment.\n```\nIt counts."


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("Name a colour.", ["Name a colour."]),
        ("One sentence. And another.", ["One sentence. And another."]),
        ("First line.\nSecond line.", ["First line.", "Second line."]),
        ("First line.\r\nSecond line.\r\n", ["First line.", "Second line."]),
        ("One line\u2028another", ["One line", "another"]),
        ("  indented\n\n\n\tand tabbed  \n", ["indented", "and tabbed"]),
        ("", []),
        ("\n \n\t\n", []),
    ],
)
def test_a_line_is_one_segment_without_the_space_around_it(text, segments):
    assert prose(text) == segments


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
        ("## ", "Fruit"),
        ("> ", "He said so."),
        ("- [ ] ", "Buy fruit"),
        ("> 1. ", "Eat fruit"),
        ("", "-5 degrees is cold"),
        ("", "1.5 litres of milk"),
        ("", "2024. was a year"),
        ("", "*Fruit* is good"),
        ("", "A dog"),
    ],
)
def test_a_list_marker_stays_and_the_rest_is_translated(marker, body):
    assert prose(marker + body) == [body]
    assert rebuild(marker + body, {body: "X"}) == marker + "X"


@pytest.mark.parametrize(
    "line",
    [
        *("42", "3 + 4 = 7", "1.", "-", "- 12", "---", "| --- | --- |", "...", "😀", "№ 5"),
        *("https://example.org/a?b=c", "- www.example.org", "<https://example.org>", "me@example.org"),
        "http://a.example http://b.example",
    ],
)
def test_lines_without_a_letter_or_of_urls_alone_pass_through(line):
    assert prose(f"Before.\n{line}\nAfter.") == ["Before.", "After."]


def test_a_url_among_words_does_not_keep_its_line_from_translation():
    assert prose("See https://example.org for more.") == ["See https://example.org for more."]


@pytest.mark.parametrize("letters", ["é", "ж", "水", "ক", "א"])
def test_letters_of_every_script_count_as_letters(letters):
    assert prose(letters) == [letters]


def test_a_fenced_code_block_passes_through_with_its_fences():
    assert prose(CODE) == ["Use this:", "It counts."]
    assert rebuild(CODE, {"Use this:": "A", "It counts.": "B"}) == CODE.replace("Use this:", "A").replace(
        "It counts.", "B"
    )


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("```\ncode\n~~~\nstill code\n```\nprose", ["prose"]),
        ("````\n```\ncode\n```\n````\nprose", ["prose"]),
        ("~~~ python\ncode\n~~~\nprose", ["prose"]),
        ("  ```\n  code\n  ```\nprose", ["prose"]),
        ("prose\n```\nnever closed\nso all of it is code", ["prose"]),
        ("``` in a line ``` opens no block\nprose", ["``` in a line ``` opens no block", "prose"]),
        ("```\r\ncode\r\n```\r\nprose\r\n", ["prose"]),
    ],
)
def test_a_fence_is_closed_by_its_like_alone(text, segments):
    assert prose(text) == segments


LAYOUT = st.sampled_from(
    ["- ", "1. ", "```\n", "~~~", "\n", "\r\n", "  ", "\t", "\u2028", "# ", "www.a.b ", "a ", "é", "(b) "]
)


@given(st.lists(LAYOUT | st.text(max_size=5)).map("".join))
@example(CODE)
def test_pieces_join_to_the_text_and_prose_has_letters_and_no_space_around_it(text):
    pieces = cut(text)
    assert "".join(piece.text for piece in pieces) == text
    assert rebuild(text, {segment: segment for segment in prose(text)}) == text
    for segment in prose(text):
        assert segment == segment.strip()
        assert any(character.isalpha() for character in segment)
        assert len(segment.splitlines()) == 1


def test_a_segment_that_comes_twice_is_replaced_twice():
    assert rebuild("Yes\nNo\nYes", {"Yes": "Да", "No": "Нет"}) == "Да\nНет\nДа"


def test_a_missing_translation_is_an_error():
    with pytest.raises(KeyError):
        rebuild("Yes\nNo", {"Yes": "Да"})
