"""What the bodies of HTTP errors say, as OpenAI, Azure, OpenRouter, Ollama and the servers of open models write them.

`body` is what the openai client gives as an error's `body`: the value of its field `error`, or else the whole body.
"""

import re

ON_PARAMETERS = {"unsupported_parameter", "unsupported_value", "unknown_parameter"}  # OpenAI's error codes
OF_THE_BODY = "body."  # before a parameter's name, where vLLM says that it is not valid
ON_CONTENT = {"content_filter", "content_policy_violation"}  # Azure's and OpenAI's
NAMED = (  # in a message: llama.cpp's, `transformers serve`'s, TGI's, OpenAI's older models'
    re.compile(r"^Field '(\w+)': "),
    re.compile(r"^Unexpected fields in the request: \{'(\w+)'"),
    re.compile(r"validation error: `(\w+)`"),
    re.compile(r"[Uu]nrecognized request arguments? supplied: (\w+)"),
)


def reason(body: object) -> str:
    """What an error's body gives as the reason; empty if it gives none."""
    if isinstance(body, str):
        return body
    if not isinstance(body, dict):
        return ""
    said = body.get("message") or body.get("detail") or body.get("error") or ""
    if isinstance(said, list):  # FastAPI names the place of each fault
        said = "; ".join(f"{_last(fault.get('loc'))}: {fault.get('msg')}" for fault in said if isinstance(fault, dict))
    details = [*_moderation(body).get("reasons", []), *_filtered(body)]
    return f"{said} ({', '.join(map(str, details))})" if details else str(said)


def refused_parameter(body: object) -> str | None:
    """The parameter of the request that the endpoint does not take, whatever the prompt; None if it names none."""
    if isinstance(body, dict):
        named = body.get("param")
        if isinstance(named, str) and (body.get("code") in ON_PARAMETERS or named.startswith(OF_THE_BODY)):
            return named.removeprefix(OF_THE_BODY)
        faults = body.get("detail")
        for fault in faults if isinstance(faults, list) else []:
            if isinstance(fault, dict) and fault.get("type") == "extra_forbidden":
                return _last(fault.get("loc"))
    found = next((match for pattern in NAMED if (match := pattern.search(reason(body)))), None)
    return found[1] if found else None


def refuses_content(body: object) -> bool:
    """Whether a prompt was refused for what it says, rather than the caller for who he is."""
    return isinstance(body, dict) and (body.get("code") in ON_CONTENT or bool(_moderation(body)))


def _moderation(body: dict) -> dict:
    """OpenRouter's account of a prompt that was flagged; empty if there is none."""
    metadata = body.get("metadata")
    flagged = isinstance(metadata, dict) and isinstance(metadata.get("reasons"), list)
    return metadata if flagged else {}


def _filtered(body: dict) -> list[str]:
    """The categories that Azure's content filter names."""
    inner = body.get("innererror")
    result = inner.get("content_filter_result") if isinstance(inner, dict) else None
    categories = result.items() if isinstance(result, dict) else ()
    return [name for name, found in categories if isinstance(found, dict) and found.get("filtered")]


def _last(place: object) -> str:
    return str(place[-1]) if isinstance(place, list) and place else "request"
