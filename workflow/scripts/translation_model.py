"""Make the folder of a translation model for the Bergamot engine, from a packed model or a registry.

    translation_model.py --packed resources/demo/translation/enes.tar.gz \\
        --checksums resources/demo/translation/checksums.json --output DIR
    translation_model.py --registry resources/translation-models.json --language es --architecture tiny --output DIR

The folder holds model.bin, vocab.spm (or srcvocab.spm and trgvocab.spm), lex.bin, config.yml for the engine, and
manifest.json with the SHA-256 of each. It appears only when it is complete and all files match their hashes.

With a registry, the files are those of Firefox Translations. Their URLs are looked up in Mozilla's index (made by
db/updater.py of mozilla/translations); sizes and hashes are checked against the registry. Every file is put into the
folder --cache once it is complete, and is not downloaded again. Without network access, download the files elsewhere
and put them there.
"""

import argparse
import gzip
import json
import shutil
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path, PurePosixPath

from basics.command_line import command_line
from basics.downloading import fetch, unpack
from basics.errors import InputError
from basics.hashing import sha256
from basics.reading import read_json
from basics.writing import beside, write_json, write_text
from translating.registry import read_registry

MODEL, SHORTLIST, VOCABULARY, SOURCE_VOCABULARY, TARGET_VOCABULARY = NAMES = (
    "model.bin",
    "lex.bin",
    "vocab.spm",
    "srcvocab.spm",
    "trgvocab.spm",
)
WHOLE = ({MODEL, SHORTLIST, VOCABULARY}, {MODEL, SHORTLIST, SOURCE_VOCABULARY, TARGET_VOCABULARY})
LONGEST_INDEX = 2**26  # bytes of the index

# The settings that Mozilla uses for inference, except alignment, which is not needed, and batches: smaller ones are as
# fast and take less memory. max-length-break is in tokens: the engine cuts longer sentences there.
CONFIG = """\
models:
  - model.bin
vocabs:
  - {source}
  - {target}
shortlist:
  - lex.bin
  - false
beam-size: 1
normalize: 1.0
word-penalty: 0
max-length-break: 128
max-length-factor: 2.0
mini-batch-words: 512
workspace: 128
skip-cost: true
cpu-threads: 0
quiet: true
quiet-translation: true
gemm-precision: int8shiftAlphaAll
ssplit-mode: paragraph
ssplit-prefix-file: ""
"""


def unpack_archive(packed: Path, folder: Path) -> None:
    """Unpack a packed model into `folder`. Raises InputError for anything but regular files with the expected names."""
    try:
        with gzip.open(packed) as stream:
            with tarfile.open(fileobj=stream, mode="r:") as archive:
                for entry in archive:
                    content = archive.extractfile(entry) if entry.name in NAMES and entry.isfile() else None
                    if content is None:
                        raise InputError(f"{packed}: {entry.name!r} is not a file of a model ({', '.join(NAMES)})")
                    with (folder / entry.name).open("wb") as file:  # `extract` has no `filter` in Python 3.11.2
                        shutil.copyfileobj(content, file)
            stream.read()  # to the end, where gzip has its checksum
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{packed}: cannot unpack it ({error}); make or fetch the file again") from None


def find_entry(registry: dict, path: Path, language: str, architecture: str) -> dict:
    """The registry's entry for a model. Raises InputError with the available choices."""
    choices = {entry["architecture"]: entry for entry in registry["models"] if entry["language"] == language}
    if not choices:
        known = sorted({entry["language"] for entry in registry["models"]})
        raise InputError(f"{path}: no model for the language {language!r}; there are {', '.join(known)}")
    if architecture not in choices:
        raise InputError(f"{path}: no {architecture} model for {language}; there are {', '.join(sorted(choices))}")
    return choices[architecture]


def file_urls(index: dict, origin: str, entry: dict) -> dict[str, str]:
    """URL of each of a model's files, by name, from Mozilla's index.

    The index's entry for a model is the one with the same SHA-256 of the unpacked model. The index has one model of
    each architecture, so a newer release replaces an older one.
    Raises InputError when the format of the index has changed or it no longer has the model.
    """
    pair, wanted = f"en-{entry['language']}", entry["model_sha256"]
    try:
        published = {
            model["files"]["model"]["uncompressedHash"]: model["files"] for model in index["models"].get(pair, [])
        }
        paths = {PurePosixPath(file["path"]).name: file["path"] for file in published.get(wanted, {}).values()}
        base = index["baseUrl"]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{origin}: not in the expected format ({type(error).__name__} {error})") from None
    if wanted not in published:
        others = ", ".join(map(str, published)) or "none"
        raise InputError(f"{origin}: under {pair} there is no model with the sha256 {wanted}; there is {others}")
    missing = [file["name"] for file in entry["files"] if file["name"] not in paths]
    if missing:
        raise InputError(f"{origin}: under {pair} there is no {missing[0]} of model {wanted}")
    return {name: f"{base}/{path}" for name, path in paths.items()}


def download_index(origin: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "models.json"
        fetch(origin, path, LONGEST_INDEX)
        try:
            return json.loads(path.read_bytes())
        except ValueError as error:
            raise InputError(f"{origin}: not valid JSON ({error})") from None


def check_file(path: Path, name: object, file: dict) -> None:
    """Check a file's size and hash against the registry. Raises InputError, which calls it `name`, with both values."""
    size, digest = path.stat().st_size, sha256(path)
    if size != file["size"]:
        raise InputError(f"{name}: {size} bytes, but the registry says {file['size']}")
    if digest != file["sha256"]:
        raise InputError(f"{name}: sha256 is {digest}, but the registry says {file['sha256']}")


def fetch_files(registry: dict, entry: dict, cache: Path) -> list[Path]:
    """The model's published files, all checked, in `cache`; those that are missing are downloaded."""
    paths = {file["name"]: cache / file["name"] for file in entry["files"]}
    wanted = []
    for file in entry["files"]:
        path = paths[file["name"]]
        if path.exists():
            try:
                check_file(path, path, file)
            except InputError as error:
                raise InputError(f"{error}; remove it, or replace it with an intact one") from None
        else:
            wanted.append(file)
    if not wanted:
        return list(paths.values())
    try:
        urls = file_urls(download_index(registry["index"]), registry["index"], entry)
    except InputError as error:
        names = " and ".join(file["name"] for file in wanted)
        raise InputError(f"{error}; or get {names} in another way and put them into {cache}") from None
    for file in wanted:
        path, url = paths[file["name"]], urls[file["name"]]
        try:
            with beside(path) as written:
                fetch(url, written, file["size"])
                check_file(written, url, file)
        except InputError as error:
            raise InputError(f"{error}; or get {path.name} in another way and put it at {path}") from None
    return list(paths.values())


def engine_name(published: str) -> str:
    """The engine's name of a published file: model.bin for model.enes.intgemm.alphas.bin.gz, and so on."""
    return next(name for name in NAMES if name.split(".")[0] == published.split(".")[0])


def add_config_and_manifest(folder: Path, origin: Path) -> None:
    """Add config.yml and manifest.json. Raises InputError when the files from `origin` are not a complete model."""
    names = {path.name for path in folder.iterdir()}
    if names not in WHOLE:
        raise InputError(f"{origin}: not a complete model; it contains {', '.join(sorted(names)) or 'nothing'}")
    separate = SOURCE_VOCABULARY in names
    source, target = (SOURCE_VOCABULARY, TARGET_VOCABULARY) if separate else (VOCABULARY, VOCABULARY)
    write_text(folder / "config.yml", CONFIG.format(source=source, target=target))
    write_json(folder / "manifest.json", {path.name: sha256(path) for path in folder.iterdir()})


def check_packed(packed: Path, checksums: Path) -> None:
    """Check an archive against the SHA-256 under its name in `checksums`. Raises InputError with both."""
    if packed.name not in (expected := read_json(checksums, fields=())):
        raise InputError(f"{checksums}: no sha256 for {packed.name}; add it, or make the archives again")
    if (found := sha256(packed)) != expected[packed.name]:
        raise InputError(
            f"{packed}: sha256 is {found}, but {checksums} says {expected[packed.name]}; use the right archive"
        )


def build_from_archive(arguments: argparse.Namespace, folder: Path) -> None:
    packed = arguments.packed
    if not packed.is_file():
        raise InputError(f"{packed}: no such file; make it or put it there")
    if arguments.checksums:
        check_packed(packed, arguments.checksums)
    unpack_archive(packed, folder)
    add_config_and_manifest(folder, packed)


def build_from_registry(arguments: argparse.Namespace, folder: Path) -> None:
    registry = read_registry(arguments.registry)
    entry = find_entry(registry, arguments.registry, arguments.language, arguments.architecture)
    cache = arguments.cache or arguments.output.with_name(f"{arguments.output.name}.downloads")
    # File names are the same in every architecture.
    for path in fetch_files(registry, entry, cache / arguments.architecture):
        unpack(path, folder / engine_name(path.name), path)
    found = sha256(folder / MODEL)
    if found != entry["model_sha256"]:
        raise InputError(
            f"{arguments.registry}: the unpacked model's sha256 is {found}, not {entry['model_sha256']}; restore the"
            " registry as it was published"
        )
    add_config_and_manifest(folder, arguments.registry)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    origin = parser.add_mutually_exclusive_group(required=True)
    origin.add_argument("--packed", type=Path, help="a .tar.gz of the model's files, named as the engine expects")
    origin.add_argument("--registry", type=Path, help="JSON of published models, their files and hashes")
    parser.add_argument("--checksums", type=Path, help="JSON of the archives' SHA-256 by name")
    parser.add_argument("--language", help="target language, as in the registry")
    parser.add_argument(
        "--architecture", default="tiny", choices=["tiny", "base", "base-memory"], help="size of the model"
    )
    parser.add_argument("--cache", type=Path, help="folder for the published files (default: OUTPUT.downloads)")
    parser.add_argument("--output", type=Path, required=True, help="folder to make")
    arguments = parser.parse_args()
    if arguments.registry and not arguments.language:
        parser.error("--registry needs --language")

    with beside(arguments.output) as folder:
        folder.mkdir()
        (build_from_archive if arguments.packed else build_from_registry)(arguments, folder)
    size = sum(path.stat().st_size for path in arguments.output.iterdir())
    print(f"{arguments.output}: {size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
