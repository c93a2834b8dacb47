"""What a judge's reply, as judging/endpoint.py gives it and journals keep it, is worth."""

from collections.abc import Mapping

from judging.ratings import parse_rating

CUT = "length"  # the finish_reason of a reply that max_tokens cut


def quoted(reply: Mapping) -> str:
    """The beginning of a reply in one line, for a message."""
    return repr(" ".join(reply["text"].split())[:200])


def cut_note(reply: Mapping, max_tokens: int) -> str:
    """For a message: that the reply was cut; empty if it was not."""
    return f", cut at max_tokens ({max_tokens})," if reply.get("finish") == CUT else ""


def rating_in(reply: Mapping) -> int | None:
    """The rating in a reply; None if there is none, or the reply was cut before its end."""
    return None if reply.get("finish") == CUT else parse_rating(reply["text"])
