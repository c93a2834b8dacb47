"""The rating in a judge's reply."""

import re

from basics.reading import parse_json

RATINGS = (1, 2, 3)
BEST_RATING = max(RATINGS)
BRACKETS = str.maketrans("［］【】〔〕", "[][][]")
ESCAPED = re.compile(r"\\+(?=[\[\]])")  # escaped as in Markdown and LaTeX
NUMBER = r"[\s*_`]*([-+]?\d+(?:[.,]\d+)?)[\s*_`]*"
DOUBLE = re.compile(rf"\[\[{NUMBER}\]\]")
SINGLE = re.compile(rf"\[{NUMBER}\]")


def parse_rating(reply: str) -> int | None:
    """Return the last rating (1, 2 or 3) in a reply, or None if there is none.

    The last `[[n]]` decides, as the template asks for it; without any, the last `[n]` does. A number off the scale is
    not a rating, and nothing earlier in the reply takes its place: the judge did decide, only on something unusable.
    Brackets may be full-width (【【2】】, ［［2］］) or escaped, and the number may be emphasised: asking again would
    cost money, and might return a different rating.
    """
    if (number := rating_in_json(reply)) is not None:
        return number if number in RATINGS else None
    reply = ESCAPED.sub("", reply.translate(BRACKETS))
    found = DOUBLE.findall(reply) or SINGLE.findall(reply)
    if not found:
        return None
    number = float(found[-1].replace(",", "."))
    return int(number) if number in RATINGS else None


def rating_in_json(reply: str) -> int | None:
    """The whole number under `rating`, if the reply is a JSON object, as the reply format json asks for."""
    try:
        value = parse_json(reply)
    except ValueError:
        return None
    number = value.get("rating") if isinstance(value, dict) else None
    return number if type(number) is int else None
