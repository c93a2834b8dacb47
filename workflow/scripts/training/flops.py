"""The floating-point operations of a training, and the share of the device's peak that it reached."""

# Dense bf16 peak of one device in FLOP/s, by a part of its name, from the vendors' data sheets (without sparsity).
PEAKS = {
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "GH200": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "A40": 150e12,
    "A10": 125e12,
    "MI300X": 1307e12,
    "MI325X": 1307e12,
    "MI300A": 981e12,
    "MI250X": 191e12,  # of one of its two dies, each of which is a separate device; likewise the next
    "MI250": 181e12,
    "MI210": 181e12,
}


def training_flops(parameters: float, trained: float, tokens: float) -> float:
    """FLOPs of training `trained` of a model's parameters on `tokens`.

    Per parameter and token: 2 for the forward pass, 2 for the gradient of the layer's input, and 2 for the gradient of
    the parameter itself if it is trained (Kaplan et al. 2020, section 2.1). Attention is left out: at 512 tokens it is
    small compared with the rest.
    """
    return (4 * parameters + 2 * trained) * tokens


def peak_flops(device: str) -> float | None:
    """Peak FLOP/s of a device, by its name in PyTorch; None for an unknown device or a CPU."""
    return next((peak for part, peak in PEAKS.items() if part in device), None)


def utilisation(flops: float, seconds: float, device: str, ranks: int) -> float | None:
    """Model FLOPs utilisation (MFU), 0 to 1: neither padding nor recomputation counts as work. None if unknown."""
    peak = peak_flops(device)
    return flops / seconds / (peak * ranks) if peak and seconds else None
