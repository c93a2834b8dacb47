"""Fetch a base model or a tokenizer from the Hugging Face hub at one revision, without pickled weights.

The commit that the revision resolved to is recorded in source.json beside the files. A gated repository needs
HF_TOKEN in the environment.
"""

import argparse
import shutil
import sys
from pathlib import Path

from files import InputError, beside, command_line, write_json

TOKENIZER_FILES = [
    "tokenizer*.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
]
MODEL_FILES = ["config.json", "generation_config.json", "*.safetensors", "model.safetensors.index.json"]


def snapshot(repo: str, revision: str, patterns: list[str], folder: Path) -> str:
    """Download the matching files into `folder`; return the commit. Raises InputError when they cannot be had."""
    import httpx2
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        commit = HfApi().repo_info(repo, revision=revision).sha
        snapshot_download(repo, revision=commit, allow_patterns=patterns, local_dir=folder)
    except (
        httpx2.HTTPError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        OSError,
        RuntimeError,
    ) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"cannot fetch {repo} at {revision} from the hub ({first}); "
            "fetch it where there is a network and name its folder as `path` in the config"
        ) from None
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the hub client's notes, with times in them
    return commit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["model", "tokenizer"])
    parser.add_argument("--repo", required=True, help="such as bigscience/bloom-560m")
    parser.add_argument("--revision", required=True, help="a commit, or a branch to resolve")
    parser.add_argument("--output", required=True, type=Path, help="folder to make")
    arguments = parser.parse_args()

    with beside(arguments.output) as written:
        patterns = MODEL_FILES if arguments.kind == "model" else [*TOKENIZER_FILES, "config.json"]
        commit = snapshot(arguments.repo, arguments.revision, patterns, written)
        if arguments.kind == "model" and not list(written.glob("*.safetensors")):
            raise InputError(
                f"{arguments.repo} at {commit} has no safetensors weights, and pickled ones are not loaded; "
                "name a revision that has them, or convert it and name the folder as `path` in the config"
            )
        write_json(written / "source.json", {"repo": arguments.repo, "revision": commit})
    print(f"{arguments.output}: {arguments.repo} at {commit}", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
