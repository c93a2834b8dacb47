"""Try the language identifier on a node, on ten lines whose language is known, with the program of the run.

The lines are answers of the planted controls in each language in turn or, without these, English ones. Findings
(planning/trials.py) have in `measured`: lines, right (how many have their language), languages and peak_memory (bytes).
An identifier that is wrong about half of them is a fault.
"""

import argparse
import resource
import sys
from collections.abc import Mapping
from pathlib import Path

from basics.command_line import command_line, language_file
from basics.errors import InputError
from basics.reading import read_jsonl
from basics.writing import write_jsonl
from judging.controls import read_set
from judging.trial import RESPONSE
from planning.trials import trial

PROGRAMS = Path(__file__).parent
LINES = 10


def known_lines(files: Mapping[str, Path]) -> list[dict]:
    """Rows of lang, id and response, as langid.py reads them."""
    texts = read_set(files)
    deep = max(map(len, texts.values()), default=0)
    found = [(lang, each[place].answer) for place in range(deep) for lang, each in texts.items()]
    chosen = (found or [("en", RESPONSE)] * LINES)[:LINES]
    return [{"lang": lang, "id": str(number), "response": line} for number, (lang, line) in enumerate(chosen)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=Path, help="fastText model, such as OpenLID's")
    parser.add_argument("--languages", required=True, type=Path, help="YAML: code -> name, labels")
    parser.add_argument("--labels", type=Path, help="YAML: labels of another identifier, as for langid.py")
    parser.add_argument("--normalise", required=True, help="of texts, before identification")
    parser.add_argument("--texts", nargs="*", default=[], type=language_file, metavar="CODE=FILE", help="controls")
    parser.add_argument("--hosts", nargs="*", default=[], help="hosts of downloads, which are tried")
    parser.add_argument("--output", required=True, type=Path, help="JSON: the findings")
    arguments = parser.parse_args()
    with trial(arguments.output, arguments.hosts) as here:
        lines, found = here.folder / "lines.jsonl", here.folder / "found.jsonl"
        write_jsonl(lines, known_lines(dict(arguments.texts)))
        options = ["--responses", lines, "--model", arguments.model, "--languages", arguments.languages]
        options += ["--labels", arguments.labels] if arguments.labels else []
        with here.step("identification"):
            options += ["--normalise", arguments.normalise, "--output", found]
            here.run([PROGRAMS / "langid.py", *options], "langid.log")
            rows = read_jsonl(found, {"lang": str, "match": bool})
            right = [row["lang"] for row in rows if row["match"]]
            wrong = sorted({row["lang"] for row in rows if not row["match"]})
            here.measured |= {
                "lines": len(rows),
                "right": len(right),
                "languages": sorted({row["lang"] for row in rows}),
            }
            here.measured["peak_memory"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
            if 2 * len(right) <= len(rows):
                raise InputError(
                    f"{arguments.model}: finds the language of {len(right)} of {len(rows)} lines, and not of those in"
                    f" {', '.join(wrong)}; see that its labels are those of its table (`labels` of the source)"
                )
    print(f"{arguments.output}: ok, {len(right)} of {len(rows)} right", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
