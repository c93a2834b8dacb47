"""Fetching a model at a pinned revision, safetensors alone."""

import argparse
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from basics.errors import FULL, InputError
from basics.hashing import sha256

MODEL_FILES = ["config.json", "generation_config.json", "*.safetensors", "model.safetensors.index.json"]
PICKLED = ("*.bin", "*.pt", "*.pth")


def fetch(repo: str, revision: str, patterns: list[str], folder: Path, pins: Mapping[str, str]) -> dict:
    """Download the files that match into `folder`; return what source.json says: repo, revision, sha256 by file.

    `pins` are hashes that are known, by file. Raises InputError, with both values, when a file has another hash; when
    weights are wanted and the repository has only pickled ones; and when it cannot be had.
    """
    commit, names = reach(repo, revision)
    check_weights(names, patterns, f"{repo} at {commit}")
    download(repo, commit, patterns, folder)
    hashes = {path.name: sha256(path) for path in sorted(folder.iterdir())}
    for name, wanted in pins.items():
        if hashes.get(name) != wanted:
            found = f"sha256 is {hashes[name]}" if name in hashes else "is not there"
            raise InputError(f"{repo} at {commit}: {name}: {found}, expected {wanted}; another version was pinned")
    return {"repo": repo, "revision": commit, "sha256": hashes}


def check_weights(names: Iterable[str], patterns: list[str], place: str) -> None:
    """Raise InputError when weights are among the wanted files, and `names` has none, or only pickled ones."""
    wanted = [pattern for pattern in patterns if pattern.endswith(".safetensors")]
    own = [name for name in names if "/" not in name]
    if not wanted or any(fnmatchcase(name, pattern) for name in own for pattern in wanted):
        return
    pickled = next((name for name in own for pattern in PICKLED if fnmatchcase(name, pattern)), None)
    found = f"its weights are pickled ({pickled}), which are not loaded" if pickled else "there are no weights in it"
    raise InputError(
        f"{place}: no {wanted[0]}: {found}; name a revision that has safetensors, or convert it (config/README.md says"
        " how) and name the folder as `path` in the config"
    )


def reach(repo: str, revision: str) -> tuple[str, list[str]]:
    """The commit that a revision is, and the names of its files. Raises InputError."""
    from huggingface_hub import HfApi

    try:
        info = HfApi().model_info(repo, revision=revision)
    except Exception as error:
        raise _refusal(error, repo, revision) from None
    assert info.sha  # the hub names it of every revision
    return info.sha, [sibling.rfilename for sibling in info.siblings or []]


def download(repo: str, commit: str, patterns: list[str], folder: Path) -> None:
    """Copy the matching files of a commit into `folder`. Raises InputError."""
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(repo, revision=commit, allow_patterns=patterns, local_dir=folder)
    except Exception as error:
        raise _refusal(error, repo, commit) from None
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the hub client's notes, with times in them


def _refusal(error: Exception, repo: str, revision: str) -> Exception:
    """What to raise for a failure of the hub client: the user's to mend, or `error` itself, which is not."""
    import httpx2
    from huggingface_hub.errors import EntryNotFoundError, RevisionNotFoundError, XetDownloadError

    known = (httpx2.HTTPError, EntryNotFoundError, XetDownloadError, OSError, RuntimeError)
    if not isinstance(error, known) or getattr(error, "errno", None) in FULL:
        return error
    response = getattr(error, "response", None)
    status = response.status_code if response is not None else None
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    remedy = "fetch it where there is a network and name its folder as `path` in the config"
    if status in (401, 403):
        remedy = (
            "check its name; if it is private or gated, accept its terms on the hub, and give a token that may read it"
            " in HF_TOKEN"
        )
    elif status == 404:
        what = "revision" if isinstance(error, RevisionNotFoundError) else "repository or file"
        remedy = f"there is no such {what}: mend its name"
    return InputError(f"cannot fetch {repo} at {revision} from the hub ({first}); {remedy}")


def pin(argument: str) -> tuple[str, str]:
    """Split FILE=HASH; the `type` of --sha256."""
    name, _, digest = argument.rpartition("=")
    if not name or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise argparse.ArgumentTypeError(f"{argument!r} is not FILE=HASH with 64 hexadecimal digits")
    return name, digest


def say(output: Path, record: Mapping) -> None:
    """Print where a folder came from, and the hashes to pin."""
    came = f"{record['repo']} at {record['revision']}" if "repo" in record else record["path"]
    print(f"{output}: {came}", file=sys.stderr)
    for name, digest in record["sha256"].items():
        print(f"  {name} sha256 {digest}", file=sys.stderr)
