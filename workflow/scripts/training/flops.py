"""The arithmetic of a training, and what share of the processor's it used."""

# Dense bf16 peak of one device, in FLOP/s, by a part of its name; of the makers' data sheets, without sparsity.
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
    "MI250": 191e12,  # one of its two dies, which is a device of its own
}


def training_flops(parameters: float, trained: float, tokens: float) -> float:
    """FLOPs of training `trained` of a model's parameters on `tokens`.

    Per parameter and token these are 2 for the forward pass, 2 for the gradient of the layer's input, and 2 for the
    gradient of the parameter itself if it is trained (Kaplan et al. 2020, section 2.1). Attention is left out: at 512
    tokens it is small beside the rest.
    """
    return (4 * parameters + 2 * trained) * tokens


def peak_flops(device: str) -> float | None:
    """Peak of a device by the name that PyTorch has for it; None for one that is not known, and for a CPU."""
    return next((peak for part, peak in PEAKS.items() if part in device), None)


def utilisation(flops: float, seconds: float, device: str, ranks: int) -> float | None:
    """Model FLOPs utilisation (MFU), 0 to 1: padding and what is computed twice do not count as work."""
    peak = peak_flops(device)
    return flops / seconds / (peak * ranks) if peak and seconds else None
