"""The template of a judge's prompts, resources/templates/judge.txt."""

from string import Template

from basics.errors import InputError
from basics.reading import read_text


def read_template(path: str) -> Template:
    """Read the judge's prompt template, without the line end at the end of the file."""
    template = Template(read_text(path).removesuffix("\n"))
    if not template.is_valid() or set(template.get_identifiers()) != {"instruction", "response"}:
        raise InputError(
            f"{path}: needs the placeholders ${{instruction}} and ${{response}}, no others, and $$ for $; correct it"
        )
    return template
