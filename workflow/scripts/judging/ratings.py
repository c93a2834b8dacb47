"""The rating in a judge's reply."""

import re

RATINGS = (1, 2, 3)
BEST_RATING = max(RATINGS)
BRACKETS = str.maketrans("［］【】〔〕", "[][][]")
ESCAPED = re.compile(r"\\+(?=[\[\]])")  # as Markdown and LaTeX have brackets that are to be seen
NUMBER = r"[\s*_`]*([-+]?\d+(?:[.,]\d+)?)[\s*_`]*"
DOUBLE = re.compile(rf"\[\[{NUMBER}\]\]")
SINGLE = re.compile(rf"\[{NUMBER}\]")


def parse_rating(reply: str) -> int | None:
    """Return the rating 1, 2 or 3 that a reply ends on, or None when it holds none.

    The last `[[n]]` decides, as the template asks for it; a reply without any is read by its last `[n]`. A
    number off the scale is no rating, and nothing earlier in the reply takes its place: the judge did decide,
    on something we cannot use. Brackets may be those of another script, 【【2】】 or ［［2］］, or escaped, and the
    number may be emphasised: to ask again would be paid for, and could get another rating than the one that was meant.
    """
    reply = ESCAPED.sub("", reply.translate(BRACKETS))
    found = DOUBLE.findall(reply) or SINGLE.findall(reply)
    if not found:
        return None
    number = float(found[-1].replace(",", "."))
    return int(number) if number in RATINGS else None
