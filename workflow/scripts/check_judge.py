r"""Ask a judge at an API whether it will answer: for its models, and for one rating, which is paid for like any other.

The Snakefile does this at the start of a run and plan.py after its report, for each judge at an API that a job calls.
By hand, with the key in its environment variable:

    python workflow/scripts/check_judge.py --template resources/templates/judge.txt \
        --journals results/paper/journals/judge/NAME \
        --judge '{"name": "NAME", "model": "gpt-6-luna", "base_url": "https://api.openai.com/v1"}'

A key or model that is dead, a setting that the endpoint refuses, a reply without a rating, a model that is shut down
before --until: each is an error of one line.
"""

import argparse
import datetime
from pathlib import Path

from basics.command_line import command_line
from basics.settings import read_settings
from judging.settings import JudgeSettings
from judging.shutdowns import day_in
from judging.template import read_template
from judging.trial import try_judge


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge", required=True, metavar="JSON", help="the judge's settings, as for judge.py")
    parser.add_argument("--template", required=True, help="prompt with ${instruction} and ${response}")
    parser.add_argument(
        "--journals", required=True, type=Path, metavar="FOLDER", help="this judge's journals; the reply is added"
    )
    parser.add_argument(
        "--until",
        type=datetime.date.fromisoformat,
        default=day_in(hours=0),
        metavar="YYYY-MM-DD",
        help="last day on which the judge is needed (today)",
    )
    options = parser.parse_args()
    settings, template = read_settings(JudgeSettings, options.judge), read_template(options.template)
    print(*try_judge(settings, template, options.journals, options.until), sep="\n")


if __name__ == "__main__":
    command_line(main)
