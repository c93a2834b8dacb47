"""Fetching a model from the Hugging Face hub at a pinned revision, as safetensors only."""

import argparse
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from basics.downloading import STEP, TIMEOUT, check_redirect
from basics.errors import FULL, InputError
from basics.hashing import sha256

if TYPE_CHECKING:
    import httpx2

MODEL_FILES = ["config.json", "generation_config.json", "*.safetensors", "model.safetensors.index.json"]
PICKLED = ("*.bin", "*.pt", "*.pth")


def fetch(repo: str, revision: str, patterns: list[str], folder: Path, pins: Mapping[str, str]) -> dict:
    """Download the matching files into `folder`; return the content of source.json: repo, revision, sha256 by file.

    `pins` are the expected hashes, by file. Raises InputError if a file has a different hash (giving both), if weights
    are wanted but the repository has only pickled ones, and if the download fails.
    """
    commit, names = resolve_revision(repo, revision)
    check_weights(names, patterns, f"{repo} at {commit}")
    download(repo, commit, patterns, folder)
    hashes = {path.name: sha256(path) for path in sorted(folder.iterdir())}
    for name, wanted in pins.items():
        if hashes.get(name) != wanted:
            found = f"sha256 is {hashes[name]}" if name in hashes else "is not there"
            raise InputError(f"{repo} at {commit}: {name}: {found}, expected {wanted}; another version was pinned")
    return {"repo": repo, "revision": commit, "sha256": hashes}


def check_weights(names: Iterable[str], patterns: list[str], place: str) -> None:
    """Raise InputError if weights are wanted, but `names` has none or only pickled ones."""
    wanted = [pattern for pattern in patterns if pattern.endswith(".safetensors")]
    own = [name for name in names if "/" not in name]
    if not wanted or any(fnmatchcase(name, pattern) for name in own for pattern in wanted):
        return
    pickled = next((name for name in own for pattern in PICKLED if fnmatchcase(name, pattern)), None)
    found = f"its weights are pickled ({pickled}), which are not loaded" if pickled else "it has no weights"
    raise InputError(
        f"{place}: no {wanted[0]}: {found}; name a revision that has safetensors, or convert it (config/README.md says"
        " how) and name the folder as `path` in the config"
    )


@cache
def bound_hub_client() -> None:
    """Have the hub's client give up a server that stalls or sends in drips, and follow no redirect from https to http.

    Transfers by hf_xet, which has connections of its own, are not bound by this.
    """
    import httpx2
    from huggingface_hub.utils import get_session, set_client_factory

    from basics.transport import Transport

    hooks = get_session().event_hooks  # which keep HF_HUB_OFFLINE
    hooks["response"] = [refuse_downgrade]
    set_client_factory(
        lambda: httpx2.Client(transport=Transport(STEP, TIMEOUT), follow_redirects=True, event_hooks=hooks)
    )


def refuse_downgrade(response: "httpx2.Response") -> None:
    """Raise InputError if the hub sends on from https to what others could tamper with. A mirror on http is the user's
    own choice (HF_ENDPOINT)."""
    if response.url.scheme == "https":
        check_redirect(str(response.url), response)


def resolve_revision(repo: str, revision: str) -> tuple[str, list[str]]:
    """The commit that a revision refers to, and the names of its files. Raises InputError."""
    from huggingface_hub import HfApi

    bound_hub_client()
    try:
        info = HfApi().model_info(repo, revision=revision)
    except Exception as error:
        raise _input_error(error, repo, revision) from None
    assert info.sha  # the hub gives it for every revision
    return info.sha, [sibling.rfilename for sibling in info.siblings or []]


def download(repo: str, commit: str, patterns: list[str], folder: Path) -> None:
    """Copy the matching files of a commit into `folder`. Raises InputError."""
    from huggingface_hub import snapshot_download

    bound_hub_client()
    try:
        snapshot_download(repo, revision=commit, allow_patterns=patterns, local_dir=folder)
    except Exception as error:
        raise _input_error(error, repo, commit) from None
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the hub client's records, which contain times


def fetch_to_cache(repo: str, revision: str) -> dict:
    """Download a model into the hub's cache, where a server looks for it; return its repo, revision and folder there.

    Files that are not needed beside safetensors are left out. Raises InputError.
    """
    from huggingface_hub import snapshot_download

    bound_hub_client()
    try:
        folder = snapshot_download(repo, revision=revision, ignore_patterns=[*PICKLED, "original/*", "*.gguf"])
    except Exception as error:
        raise _input_error(error, repo, revision) from None
    return {"repo": repo, "revision": revision, "folder": folder}


def _input_error(error: Exception, repo: str, revision: str) -> Exception:
    """What to raise if the hub client fails: an InputError if the user can fix it, otherwise `error` itself."""
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
        remedy = f"there is no such {what}: correct its name"
    return InputError(f"cannot fetch {repo} at {revision} from the hub ({first}); {remedy}")


def parse_pin(argument: str) -> tuple[str, str]:
    """Split FILE=HASH; the argparse `type` of --sha256."""
    name, _, digest = argument.rpartition("=")
    if not name or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise argparse.ArgumentTypeError(f"{argument!r} is not FILE=HASH with 64 hexadecimal digits")
    return name, digest


def print_source(output: Path, record: Mapping) -> None:
    """Print the origin of a folder, and the hashes to pin."""
    came = f"{record['repo']} at {record['revision']}" if "repo" in record else record["path"]
    print(f"{output}: {came}", file=sys.stderr)
    for name, digest in record["sha256"].items():
        print(f"  {name} sha256 {digest}", file=sys.stderr)
