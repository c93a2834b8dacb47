"""Write the pins of requirements.lock and torch.lock into main.yaml and bergamot.yaml, for conda to let nothing float.

    python envs/pin_conda.py

Conda itself still chooses the builds of Python and pip. The hashes of the locks stay there: pip is given versions.
"""

import re
from pathlib import Path

import yaml

ENVS = Path(__file__).resolve().parent
MAIN = ["requirements.lock", "torch.lock"]
OF_BERGAMOT = [
    "bergamot",
    "tqdm",
]  # what the workflow uses; the rest is what its command line needs, which pip also wants
FOR_ITS_COMMAND_LINE = ["requests", "certifi", "charset-normalizer", "idna", "urllib3", "PyYAML"]
ELSEWHERE = ["appdirs==1.4.4"]  # in no lock, since `make env` installs Bergamot without what it needs


def pins(lock: str) -> dict[str, str]:
    """Each package of a lock with its version and, if there is one, the marker that says where it is installed."""
    text = (ENVS / lock).read_text(encoding="utf-8")
    found = re.findall(r"^([\w.-]+)==(\S+)(?: (; [^\\\n]+?))?(?: \\)?$", text, flags=re.MULTILINE)
    return {name: f"{name}=={version}{f' {marker}' if marker else ''}" for name, version, marker in found}


def of_main() -> list[str]:
    """What the main environment has; markers that only keep it apart from Bergamot's are left out."""
    listed = {name: pin for lock in MAIN for name, pin in pins(lock).items()}
    apart = ' ; python_version >= "3.11"'
    return [pin.removesuffix(apart) for pin in listed.values() if 'python_version < "3.11"' not in pin]


def of_bergamot() -> list[str]:
    """What Bergamot's environment has."""
    listed = pins("requirements.lock")
    return [listed[name].split(" ;")[0] for name in (*OF_BERGAMOT, *FOR_ITS_COMMAND_LINE)] + ELSEWHERE


def with_pins(text: str, pinned: list[str]) -> str:
    """An environment's YAML whose list for pip, at its end, is replaced."""
    head = text[: text.index("  - pip:\n") + len("  - pip:\n")]
    entries = "".join(f"      - {yaml.safe_dump(pin, width=1000).splitlines()[0]}\n" for pin in pinned)
    return head + entries


def main() -> None:
    for name, pinned in {"main.yaml": of_main(), "bergamot.yaml": of_bergamot()}.items():
        path = ENVS / name
        path.write_text(with_pins(path.read_text(encoding="utf-8"), pinned), encoding="utf-8")


if __name__ == "__main__":
    main()
