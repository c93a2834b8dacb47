"""Constraints on a reply that make it hold a rating: a judge's `reply_format`."""

from judging.ratings import RATINGS

SCALE = "".join(map(str, RATINGS))
CLOSING = 16  # tokens that the rating at the end of a reply may take


def reply_constraint(reply_format: str, max_tokens: int) -> dict[str, object]:
    """What the body of a request says so that the server lets only such replies through.

    text: nothing. pattern: vLLM's structured outputs, an explanation and the rating in the words of the template; its
    length in characters is such that `max_tokens` suffice in any script. json: a JSON schema, which OpenAI and others
    take.
    """
    match reply_format:
        case "pattern":
            explanation = rf"[^\[\]]{{1,{max(max_tokens - CLOSING, 1)}}}"
            return {"structured_outputs": {"regex": rf"{explanation}Rating: \[\[[{SCALE}]\]\]"}}
        case "json":
            fields = {"explanation": {"type": "string"}, "rating": {"type": "integer", "enum": list(RATINGS)}}
            schema = {"type": "object", "properties": fields, "required": [*fields], "additionalProperties": False}
            named = {"name": "rating", "strict": True, "schema": schema}
            return {"response_format": {"type": "json_schema", "json_schema": named}}
    return {}
