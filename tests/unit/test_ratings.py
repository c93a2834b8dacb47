from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from basics.paths import REPOSITORY
from judging.ratings import parse_rating

REPLIES = yaml.safe_load(Path(__file__).with_name("replies.yaml").read_text(encoding="utf-8"))
TEMPLATE = REPOSITORY / "resources" / "templates" / "judge.txt"


@pytest.mark.parametrize("case", REPLIES, ids=[case["reply"][-40:] for case in REPLIES])
def test_a_reply_gives_its_last_rating_or_none(case):
    assert parse_rating(case["reply"]) == case["rating"]


def test_the_template_itself_holds_no_rating():
    assert 'for example: "Rating:\n[[2]]"' in TEMPLATE.read_text(encoding="utf-8")
    assert parse_rating(TEMPLATE.read_text(encoding="utf-8")) is None


@given(st.text(alphabet="[]0123456789.,+- aR:\n२"))
def test_any_text_gives_a_rating_on_the_scale_or_none(reply):
    assert parse_rating(reply) in (1, 2, 3, None)


@given(st.text(), st.sampled_from([1, 2, 3]))
def test_nothing_that_stands_before_a_proper_rating_changes_it(explanation, rating):
    assert parse_rating(f"{explanation} Rating: [[{rating}]]") == rating
