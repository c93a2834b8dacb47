"""The Hugging Face hub on this machine, as far as its own client asks for it to fetch a model.

A repository is a folder owner/name of the served one, and has one commit; `main` is it. What goes wrong is told by file
name, as in loopback.py, or by the repository's name, for a status that the hub gives instead of the repository.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from loopback import PIECES, Handler
from tiny import SCRIPTS

ERRORS = {401: "RepoNotFound", 403: "GatedRepo"}  # X-Error-Code, by which the client knows what is meant
NOT_FOUND = {"repo": "RepoNotFound", "revision": "RevisionNotFound", "file": "EntryNotFound"}


def commit_of(repo: str) -> str:
    return hashlib.sha1(repo.encode()).hexdigest()


class HubHandler(Handler):
    """The routes of the hub: a repository at a revision, its tree, and its files."""

    def do_HEAD(self) -> None:
        self.answer(head=True)

    def do_GET(self) -> None:
        self.answer(head=False)

    def answer(self, head: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(revision|tree)/([^/]+)", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        repo, revision = (api.group(1), api.group(3)) if api else file.groups()[:2]
        folder = self.server.folder / repo
        self.server.asked[self.headers.get("Authorization", "nobody")] += 1
        if repo in self.server.faults:
            self.refuse(self.server.faults[repo], ERRORS[self.server.faults[repo]])
        elif not folder.is_dir():
            self.refuse(404, NOT_FOUND["repo"])
        elif revision not in ("main", commit_of(repo)):
            self.refuse(404, NOT_FOUND["revision"])
        elif api:
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            self.describe(api.group(2), repo, {path.relative_to(folder).as_posix(): path for path in files})
        elif not (folder / file.group(3)).is_file():
            self.refuse(404, NOT_FOUND["file"])
        else:
            self.send(repo, folder / file.group(3), head)

    def describe(self, what: str, repo: str, files: dict[str, Path]) -> None:
        if what == "revision":
            content = {"id": repo, "sha": commit_of(repo), "siblings": [{"rfilename": name} for name in files]}
        else:
            content = [
                {"type": "file", "path": name, "size": path.stat().st_size, "oid": commit_of(name)}
                for name, path in files.items()
            ]
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send(self, repo: str, path: Path, head: bool) -> None:
        content = path.read_bytes()
        fault = None if head else self.server.faults.get(path.name)
        if isinstance(fault, int):
            self.send_error(fault)
        elif fault in PIECES:
            self.send_slowly(PIECES[fault], content)
        elif fault:
            self.send_half(fault, content)
        else:
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", commit_of(repo))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if not head:
                self.wfile.write(content)

    def refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def command(script: str, *arguments: object) -> list[str]:
    return [sys.executable, str(SCRIPTS / script), *map(str, arguments)]


def environment(server, home: Path, **more: str) -> dict[str, str]:
    """That of a user whose hub is `server`: the tests' own is offline."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    return kept | {"HF_ENDPOINT": server.address, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1"} | more


def run(server, home: Path, script: str, *arguments: object, **more: str) -> subprocess.CompletedProcess:
    """Run a script as a user of the hub does."""
    return subprocess.run(
        command(script, *arguments), env=environment(server, home, **more), capture_output=True, text=True, timeout=120
    )
