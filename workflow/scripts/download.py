"""Download one file and check it against its published hash; it appears at --output only when it is complete.

A .gz file is unpacked when --output does not end in .gz; the hash is that of the file as published.
"""

import argparse
import hashlib
import sys
from pathlib import Path

from basics.command_line import command_line
from basics.downloading import fetch, unpack
from basics.errors import InputError
from basics.hashing import sha256
from basics.writing import beside


def git_blob(path: Path) -> str:
    """Git's SHA-1 of a file's content, which a commit determines."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def verify(path: Path, name: str, expected: dict[str, str | None]) -> None:
    """Compare a file with its known hashes. Raises InputError with both values if one differs."""
    for kind, wanted in expected.items():
        if wanted:
            found = {"sha256": sha256, "git_blob": git_blob}[kind](path)
            if found != wanted:
                raise InputError(f"{name}: {kind} is {found}, expected {wanted}; the file was changed or truncated")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="where the file is, https")
    parser.add_argument("--sha256", help="SHA-256 of the file as published")
    parser.add_argument("--git-blob", help="Git's blob hash of the file as published")
    parser.add_argument("--output", required=True, type=Path, help="file to write")
    arguments = parser.parse_args()

    try:
        with beside(arguments.output) as written:
            published = written.with_name("published")
            fetch(arguments.url, published)
            verify(published, arguments.url, {"sha256": arguments.sha256, "git_blob": arguments.git_blob})
            digest = sha256(published)
            if arguments.url.endswith(".gz") and arguments.output.suffix != ".gz":
                unpack(published, written, arguments.url)
            else:
                published.rename(written)
    except InputError as error:
        raise InputError(f"{error}; or download it elsewhere and give its path as the `path` of this source") from None
    print(
        f"{arguments.output}: {arguments.output.stat().st_size:,} bytes, sha256 as published {digest}", file=sys.stderr
    )


if __name__ == "__main__":
    command_line(main)
