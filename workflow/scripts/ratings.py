"""The rating in a judge's reply."""

import re

RATINGS = (1, 2, 3)
NUMBER = r"\s*([-+]?\d+(?:[.,]\d+)?)\s*"
DOUBLE = re.compile(rf"\[\[{NUMBER}\]\]")
SINGLE = re.compile(rf"\[{NUMBER}\]")


def parse_rating(reply: str) -> int | None:
    """Return the rating 1, 2 or 3 that a reply ends on, or None when it holds none.

    The last `[[n]]` decides, as the template asks for it; a reply without any is read by its last `[n]`. A
    number off the scale is no rating, and nothing earlier in the reply takes its place: the judge did decide,
    on something we cannot use.
    """
    found = DOUBLE.findall(reply) or SINGLE.findall(reply)
    if not found:
        return None
    number = float(found[-1].replace(",", "."))
    return int(number) if number in RATINGS else None
