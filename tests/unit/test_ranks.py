"""The order of a column's cells."""

import pytest

from reporting.ranks import ranks


@pytest.mark.parametrize(
    "cells",
    [
        ["2", "10", "999", "1,234", "1,234,567"],
        ["−3.2 [−4, −1]", "−1.8 [−3.2, −0.6]", "+3.2 [+1, +4]", "+10"],
        ["0.00%", "9%", "50% (40% to 60%)", "50% (50% to 50%)", "100%"],
        ["998", "45.3 k", "498 k", "3.6 M", "473 G", "5.53 T"],
        ["2 of 12", "6 of 6", "48 of 48"],
        ["2", "2*", "3"],
        ["3e-5", "1e-4", "0.002"],
    ],
)
def test_numbers_are_in_the_order_of_what_they_say(cells):
    assert ranks(cells) == list(range(len(cells)))


@pytest.mark.parametrize(
    "cells",
    [
        ["BLOOM 560M", "BLOOM 1.1B", "BLOOM 7.1B", "Pythia 70M", "Pythia 1B"],
        ["English-only", "Monolingual (Bulgarian)", "Monolingual (Spanish)", "Multilingual"],
        ["mono-1", "mono-2", "mono-10"],
        ["8", "16", "q_proj, k_proj"],
        ["5 MB", "6 MB"],
    ],
)
def test_words_are_in_the_order_of_the_alphabet_and_numbers_in_them_are_numbers(cells):
    assert ranks(cells) == list(range(len(cells)))


def test_capitals_do_not_count_and_equal_cells_share_a_place():
    assert ranks(["lora", "Full", "LoRA", "full"]) == [1, 0, 1, 0]


def test_what_is_absent_has_no_place():
    assert ranks(["–", "3", "", "1"]) == [None, 1, None, 0]


def test_text_of_any_script_has_a_place():
    assert ranks(["猫", "кот", "١٢", "2²"]) is not None
