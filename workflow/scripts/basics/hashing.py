"""SHA-256 of a file, and of everything that determines an item."""

import hashlib
import json
from pathlib import Path


def sha256(path: Path | str) -> str:
    """Hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(1 << 20):  # hashlib.file_digest is not in 3.10, which Bergamot needs
            digest.update(block)
    return digest.hexdigest()


def item_key(**determinants: object) -> str:
    """Hash of everything that determines an item's value (model, settings, text, ...), as 32 hex digits."""
    canonical = json.dumps(determinants, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()[:32]
