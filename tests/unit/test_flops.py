"""How the work of a training is counted."""

import pytest

from training.flops import peak_flops, training_flops, utilisation


def test_full_parameter_training_takes_six_flops_per_parameter_and_token_and_an_adapter_four():
    assert training_flops(1000, 1000, 10) == 6 * 1000 * 10
    assert training_flops(1000, 8, 10) == 4 * 1000 * 10 + 2 * 8 * 10


@pytest.mark.parametrize(
    ("device", "peak"),
    [
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("AMD Instinct MI250X", 191e12),
        ("AMD Instinct MI250", 181e12),
        ("cpu", None),
    ],
)
def test_a_device_is_recognised_by_a_part_of_its_name(device, peak):
    assert peak_flops(device) == peak


def test_utilisation_is_the_share_of_what_all_ranks_could_have_done():
    assert utilisation(312e12 * 10, 10, "NVIDIA A100-SXM4-80GB", ranks=2) == pytest.approx(0.5)
    assert utilisation(1e12, 1, "cpu", ranks=1) is None
