"""Try a judge: its server comes up, rates one answer, and goes; or its API rates one, which is paid for.

Findings (planning/trials.py) have in `measured`: rating, seconds (of the call, with the list of models at an API), and
start_up (of the server, in seconds; null for an API). A server that does not come up, dies, gives no rating or does not
end is a fault, and so are weights that this node does not see.
"""

import argparse
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

from basics.command_line import command_line
from basics.errors import InputError
from basics.reading import read_json
from basics.settings import read_settings
from judging.controls import read_texts
from judging.endpoint import Endpoint, Refused, judges_server
from judging.ledger import open_ledger
from judging.settings import JudgeSettings, sent_seed
from judging.shutdowns import day_in
from judging.template import read_template
from judging.trial import INSTRUCTION, RESPONSE, checked_rating, try_judge
from planning.trials import Trial, trial
from serving.server import HOST

START = 480.0  # seconds for a server to come up, at most, within the time of the job
PATIENCE = 60.0  # seconds for which a failing call is repeated


def question_of(controls: Path | None) -> tuple[str, str]:
    """A prompt and a good answer to it: the first of the planted controls, or one of ours."""
    if controls is None:
        return INSTRUCTION, RESPONSE
    text = read_texts(controls)[0]
    return text.prompt, text.answer


def check_weights(record: Path) -> None:
    """Raise InputError if this node does not see the weights that fetch_judge.py has put into the hub's cache."""
    kept = read_json(record, {"repo": str, "folder": str})
    if not Path(kept["folder"]).is_dir():
        raise InputError(
            f"{kept['repo']}: {socket.gethostname()} does not see {kept['folder']}, where its weights are; have the"
            f" hub's cache on a disk that the nodes see (HF_HOME), remove {record}, and make all_downloads"
        )


def ask_served(here: Trial, settings: JudgeSettings, prompt: str) -> dict:
    """Start the server, have one answer rated, and see the server end; return the reply."""
    log, began = here.folder.with_suffix(".server.log"), time.monotonic()
    with judges_server(settings, log, linger=0) as server, open_ledger(settings, here.folder / "-", None) as ledger:
        url = f"http://{HOST}:{server.port}/v1"
        ask = Endpoint(settings, url, server.key, ledger, alive=server.check_running)
        with here.step("start"):
            server.wait(ask.is_healthy, min(settings.start_timeout, START))
        here.measured["start_up"] = round(time.monotonic() - began, 1)
        with here.step("call"):
            began = time.monotonic()
            try:
                reply = ask(prompt, sent_seed(settings, attempt=1, repeat=1))
            except Refused as refusal:
                raise InputError(f"the question was refused: {refusal}; correct the judge's settings") from None
            except InputError:
                server.check_running()  # if it has died, say that
                raise
        here.measured["seconds"] = round(time.monotonic() - began, 3)
    with here.step("end"), socket.socket() as probe:
        if not probe.connect_ex((HOST, server.port)):
            raise InputError(f"something still listens on its port {server.port}, though the server was told to end")
    return reply


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge", required=True, metavar="JSON", help="the judge's settings, as for judge.py")
    parser.add_argument("--template", required=True, type=Path, help="prompt with ${instruction} and ${response}")
    parser.add_argument("--controls", type=Path, metavar="FILE", help="of which the first answer is rated")
    parser.add_argument("--journals", required=True, type=Path, metavar="FOLDER", help="of a judge at an API")
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="record of its weights in the hub's cache (fetch_judge.py)"
    )
    parser.add_argument("--hosts", nargs="*", default=[], help="hosts of downloads, which are tried")
    parser.add_argument("--output", required=True, type=Path, help="JSON: the findings")
    arguments = parser.parse_args()
    settings, template = read_settings(JudgeSettings, arguments.judge), read_template(arguments.template)
    with trial(arguments.output, arguments.hosts) as here:
        if settings.base_url:
            with here.step("call"):
                began = time.monotonic()
                said = try_judge(settings, template, arguments.journals, day_in(hours=0))
                here.measured |= {"seconds": round(time.monotonic() - began, 3), "start_up": None, "rating": said[0]}
        else:
            if arguments.weights:
                with here.step("weights"):
                    check_weights(arguments.weights)
            instruction, response = question_of(arguments.controls)
            hurried = replace(settings, patience=min(settings.patience, PATIENCE))
            reply = ask_served(here, hurried, template.substitute(instruction=instruction, response=response))
            with here.step("rating"):
                here.measured["rating"] = checked_rating(settings, reply)
    print(f"{arguments.output}: ok, {here.measured['rating']}", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
