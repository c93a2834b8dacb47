"""On the screen, a run has a line for each job, and says at its end what failed and why."""

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from snake import DEMO, checkout, environment

MODELS = "results/demo/translation_models"
LINE = re.compile(r"\d:\d\d:\d\d +\d+/\d+ +\d+%  (.*)")


@pytest.fixture(scope="module")
def messages():
    """A service that takes messages, and what has arrived."""
    arrived = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self):
            arrived.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"json://127.0.0.1:{server.server_port}/a-secret", arrived
        server.shutdown()


def run(folder, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--profile", "profiles/local", *DEMO, *arguments],
        cwd=folder,
        env=environment() | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory, messages):
    """A run in which one of two translation models is damaged: its checkout, and what it said."""
    folder = checkout(tmp_path_factory.mktemp("spoilt"))
    (folder / "resources/demo/translation/enru.tar.gz").write_text("spoilt")
    return folder, run(folder, "--", f"{MODELS}/es", f"{MODELS}/ru", APPRISE_URLS=messages[0])


def test_each_job_has_one_line_with_what_it_is_for(spoilt):
    lines = spoilt[1].stdout.splitlines()
    said = [found[1] for line in lines if (found := LINE.fullmatch(line))]
    assert len(said) == 2 and any(
        re.fullmatch(r"unpack_translation_model es: \d+ s(; about \d+ s left)?", line) for line in said
    )
    assert not re.search("Select jobs|Execute|Finished jobid|steps", spoilt[1].stdout)


def test_a_failure_is_told_again_at_the_end_with_its_log_and_its_line(spoilt):
    folder, said = spoilt
    assert said.returncode == 1
    ending = said.stdout[said.stdout.index("1 of 2 jobs failed, after 0:00:") :]
    [what] = re.findall(r"^- unpack_translation_model ru: (.*)\n  log: (.*)$", ending, flags=re.MULTILINE)
    assert what[0].startswith("resources/demo/translation/enru.tar.gz: sha256 is ")
    assert f"error: {what[0]}" in (folder / what[1]).read_text()
    assert "the same command goes on from here" in ending


def test_snakemakes_own_lines_are_in_its_log(spoilt):
    [log] = (spoilt[0] / ".snakemake/log").iterdir()
    assert "Finished jobid" in log.read_text() and "unpack_translation_model es: " in log.read_text()


def test_those_who_wait_are_told_of_the_first_failure_and_of_the_end(spoilt, messages):
    address, arrived = messages
    assert sorted(message["title"].partition(",")[0] for message in arrived) == [
        "demo: a first failure",
        "demo: ended with failures",
    ]
    assert all(
        "unpack_translation_model ru: resources/demo/translation/enru.tar.gz" in each["message"] for each in arrived
    )
    assert "a-secret" not in spoilt[1].stdout and address not in spoilt[1].stdout


def test_an_address_of_no_known_kind_is_refused_before_the_first_job_and_not_shown(spoilt):
    said = run(spoilt[0], "--", f"{MODELS}/fr", APPRISE_URLS="json://127.0.0.1/ carrier-pigeon-with-password")
    assert said.returncode == 1 and "carrier-pigeon" not in said.stdout
    assert said.stdout.splitlines()[-1].startswith("error: APPRISE_URLS: Apprise does not know address 2 of 2")
    assert not (spoilt[0] / MODELS / "fr").exists()


def test_a_message_that_cannot_be_sent_ends_no_run(spoilt):
    said = run(spoilt[0], "--", f"{MODELS}/fr", APPRISE_URLS="json://127.0.0.1:9/")
    assert said.returncode == 0
    assert "warning: APPRISE_URLS: a message could not be sent: demo: done" in said.stdout


def test_a_logger_of_the_users_choice_has_the_screen_to_itself(spoilt, tmp_path):
    """Any plugin will do; this one writes what it is given."""
    plugin = tmp_path / "snakemake_logger_plugin_plain"
    plugin.mkdir()
    (plugin / "__init__.py").write_text(
        "import sys\n"
        "from snakemake_interface_logger_plugins.base import LogHandlerBase\n"
        "class LogHandler(LogHandlerBase):\n"
        "    writes_to_stream = True\n"
        "    writes_to_file = has_filter = has_formatter = needs_rulegraph = False\n"
        "    def emit(self, record): print('PLAIN', self.format(record), file=sys.stderr)\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    said = run(spoilt[0], "--logger", "plain", "--", f"{MODELS}/bg", PYTHONPATH=path)
    assert said.returncode == 0 and "PLAIN [" in said.stdout
    assert not any(LINE.fullmatch(line) for line in said.stdout.splitlines())
