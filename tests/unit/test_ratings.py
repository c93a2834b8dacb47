import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging.ratings import parse_rating

REPLIES = [
    # the format the template asks for
    ("The answer is helpful and in the right language. Rating: [[3]]", 3),
    ("Rating: [[1]]", 1),
    ("[[2]]", 2),
    ("The response is partly right.\n\n**Rating: [[2]]**\n", 2),
    ("Valoración: la respuesta es correcta.\nRating: [[3]].", 3),
    ("回答准确。评分：[[3]]", 3),
    ("Rating: [[ 2 ]]", 2),
    ("Rating: [[2.0]]", 2),
    # the last one decides
    ("On a scale from [[1]] to [[3]] I give [[2]]", 2),
    ("At first sight [[3]], but the language is wrong. Rating: [[1]]", 1),
    # one pair of brackets, as the template's own words have it, when there is no double one
    ('Rating: "[2]"', 2),
    ("As source [1] says, this is right. Rating: [3]", 3),
    ("The list [3] is complete. Rating: [[1]]", 1),
    ("Rating: [[2]] (see note [3])", 2),
    # off the scale, or not a number on it
    ("Rating: [[5]]", None),
    ("Rating: [[0]]", None),
    ("Rating: [[-1]]", None),
    ("Rating: [[2.5]]", None),
    ("Rating: [[2,5]]", None),
    ("Rating: [[10]]", None),
    ("An answer like this gets [[2]], or rather [[4]]", None),
    # no rating
    ("", None),
    ("The response is good.", None),
    ("Rating: 3", None),
    ("Rating: [[three]]", None),
    ("Rating: [[rating]]", None),
    ("Rating: [[2", None),
    ("x = [[1, 2], [3, 4]]", None),
    ("I cannot rate this response.", None),
    # brackets of another script, escaped ones, emphasis
    ("回答详细且准确，语言一致。评分：【【3】】", 3),
    ("评分：［［2］］", 2),
    ("回答【1】有误，但大体正确。\n评分：【2】", 2),
    ("【评分】回答与问题无关。", None),
    ("**评分：** [[１]]", 1),
    (r"Rating: \[\[2\]\]", 2),
    ("Rating: [[**3**]]", 3),
    ("Bewertung: **[[`1`]]**", 1),
    # as judges write them
    (
        "Die Antwort ist sachlich richtig, geht aber kaum auf die Frage ein.\n\n### Bewertung\n\nRating: [[2]]",
        2,
    ),
    ("Explanation: the response repeats the instruction and adds nothing.\n\nRating: [[1]]\n\n", 1),
    ("Ответ подробный, точный и написан по-русски.\n\nОценка: [[3]]", 3),
    ("Отговорът е на английски, а въпросът е на български. Rating: [[1]].", 1),
    ("La réponse est correcte mais trop brève ; une note de [[2]] convient.", 2),
    ("उत्तर सही और उपयोगी है।\n\nRating: [[३]]", 3),
    ("উত্তরটি আংশিক সঠিক। Rating: [[2]]", 2),
    ("Svaret er greit, men på feil språk.\nVurdering: [[1]]", 1),
    ("- Helpfulness: 3/3\n- Accuracy: 2/3\n- Language: as asked\n\nOverall, Rating: [[2]]", 2),
    ("| criterion | mark |\n| --- | --- |\n| depth | [1] |\n\nRating: [[3]]", 3),
    ("Rating: [[2/3]]", None),
    ("Rating: [[2]]/[[3]]", 3),
    ("Rating: [[2-3]]", None),
    ("Rating: [[]]", None),
    ("As an AI language model, I would give it two out of three.", None),
]


@pytest.mark.parametrize(("reply", "rating"), REPLIES)
def test_a_reply_gives_its_last_rating_or_none(reply, rating):
    assert parse_rating(reply) == rating


@given(st.text(alphabet="[]0123456789.,+- aR:\n२"))
def test_any_text_gives_a_rating_on_the_scale_or_none(reply):
    assert parse_rating(reply) in (1, 2, 3, None)


@given(st.text(), st.sampled_from([1, 2, 3]))
def test_nothing_that_stands_before_a_proper_rating_changes_it(explanation, rating):
    assert parse_rating(f"{explanation} Rating: [[{rating}]]") == rating
