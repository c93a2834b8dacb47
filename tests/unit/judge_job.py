"""The judge's command line, in a folder of its own, and the rows that it reads and writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "workflow" / "scripts"
TEMPLATE = REPOSITORY / "resources" / "templates" / "judge.txt"
KEY = "sk-never-to-be-seen-4711"


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def read_rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def response(lang, id, prompt, text):
    return {"lang": lang, "id": id, "prompt": prompt, "response": text, "tokens": 1, "finish": "stop"}


def questions(count):
    return [response("en", str(n), f"Question {n}?", f"Answer {n}.") for n in range(count)]


class Job:
    """The judge's command line in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.output = folder / "ratings.jsonl"
        self.journal = folder / "journal.jsonl"

    def start(self, judge, rows, template=TEMPLATE, key=KEY, spent_in=None, linger=0, **variables):
        responses = write_rows(self.folder / "responses.jsonl", rows)
        settings = {"name": "tested", "model": "stand-in"} | judge
        environment = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
        if key:
            environment["OPENAI_API_KEY"] = key
        environment |= variables
        command = [sys.executable, str(SCRIPTS / "judge.py")]
        command += ["--responses", str(responses), "--template", str(template), "--judge", json.dumps(settings)]
        command += ["--journal", str(self.journal), "--output", str(self.output)]
        command += ["--linger", str(linger)]
        command += ["--spent-in", str(spent_in)] if spent_in else []
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=self.folder)

    def run(self, judge, rows, **options):
        """Run to the end; return the exit status and the last line of stderr."""
        process = self.start(judge, rows, **options)
        errors = process.communicate(timeout=60)[1]
        self.errors = errors
        return process.returncode, errors.rstrip().rpartition("\n")[2]

    def rows(self):
        return read_rows(self.output)
