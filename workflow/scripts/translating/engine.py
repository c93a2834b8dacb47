"""The version of the Bergamot engine and its kernels, on which its answers depend."""

PACKAGE = "0.4.5"
KERNELS = {
    "INTGEMM_CPUID": "AVX2",  # integer multiplication
    "MKL_CBWR": "COMPATIBLE",  # the rest; only here does MKL promise equal results on all processors
}
VERSION = (
    f"bergamot {PACKAGE}, {' '.join(KERNELS.values())}"  # with the model and the request, this determines an answer
)
