"""Prompt templates, as in resources/templates/."""

import re
from pathlib import Path

from basics.errors import InputError
from basics.reading import read_json

FIELD = re.compile(r"\{instruction\}|\{input\}")


class Template:
    """An Alpaca-style template: one text for instructions with an input, one for those without."""

    def __init__(self, path: Path | str):
        texts = read_json(path, remedy="correct it")
        for name, fields in {"prompt_input": ("instruction", "input"), "prompt_no_input": ("instruction",)}.items():
            text = texts.get(name) if isinstance(texts, dict) else None
            if not isinstance(text, str):
                raise InputError(f"{path}: the text {name!r} is missing; write it there")
            for field in fields:
                if text.count(f"{{{field}}}") != 1:
                    raise InputError(f"{path}, {name}: must contain {{{field}}} exactly once; correct it")
        self.with_input, self.without_input = texts["prompt_input"], texts["prompt_no_input"]

    def prompt(self, instruction: str, input: str = "") -> str:
        """Render the prompt; an empty `input` takes the wording without one."""
        fields = {"{instruction}": instruction, "{input}": input}
        text = self.with_input if input else self.without_input
        # In one pass, since an instruction may itself contain braces.
        return FIELD.sub(lambda field: fields[field[0]], text)


def cut_response(text: str, cut_at: str) -> str:
    """The answer: the text before `cut_at`, such as the next section of the template, stripped of whitespace."""
    return text.split(cut_at, 1)[0].strip()
