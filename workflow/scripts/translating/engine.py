"""The version of the Bergamot engine and its kernels, on which its answers depend.

Portable kernels give the same answers on every x86-64 with AVX2. Native ones are those that the engine finds best on a
processor: faster where there is AVX-512, and the same only among processors of a kind.
"""

from pathlib import Path

PACKAGE = "0.4.5"
CHOICES = ("portable", "native")
PORTABLE = {
    "INTGEMM_CPUID": "AVX2",  # integer multiplication
    "MKL_CBWR": "COMPATIBLE",  # the rest; only here does MKL promise equal results on all processors
}
LEVELS = {"avx512_vnni": "AVX512VNNI", "avx512bw": "AVX512BW", "avx2": "AVX2"}  # by flag of Linux, the best first


def best_level(cpuinfo: Path = Path("/proc/cpuinfo")) -> str | None:
    """The best kernels for integer multiplication that this processor has; None if it lacks even AVX2, without which
    the engine would fall back to others. AVX2 is assumed if the system does not say."""
    if not cpuinfo.exists():
        return LEVELS["avx2"]
    flags = set(cpuinfo.read_text(encoding="utf-8").split())
    return next((level for flag, level in LEVELS.items() if flag in flags), None)


def variables(kernels: str) -> dict[str, str]:
    """What the engine's environment says of its kernels, of which `kernels` names the choice."""
    return PORTABLE if kernels == "portable" else {"INTGEMM_CPUID": best_level() or ""}


def version(kernels: str) -> str:
    """What determines an answer, with the model and the request."""
    return f"bergamot {PACKAGE}, {' '.join(variables(kernels).values())}"
