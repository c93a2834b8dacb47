"""What the Bergamot engine is: its version and the kernels it is held at, part of what determines an answer."""

PACKAGE = "0.4.5"
KERNELS = {
    "INTGEMM_CPUID": "AVX2",  # integer multiplication
    "MKL_CBWR": "COMPATIBLE",  # the rest; MKL promises equal results on all processors for this one alone
}
VERSION = f"bergamot {PACKAGE}, {' '.join(KERNELS.values())}"  # beside model and request, what determines an answer
