"""The loss computed on labelled positions alone is that on all logits: value, gradients, any chunk, any family."""

import subprocess
import sys

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

import tiny
from training import labelled_loss
from training.examples import NO_LABEL
from training.labelled_loss import can_be_fused, give_summed_loss

ARCHITECTURES = tiny.ARCHITECTURES | {  # and some that cap or scale their logits after the output layer
    "gemma2": {
        "model_type": "gemma2",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
    },
    "recurrent_gemma": tiny.RECURRENT_GEMMA | {"logits_soft_cap": 1.0},
    "falcon_h1": {
        "model_type": "falcon_h1",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "mamba_d_ssm": 32,
        "mamba_n_heads": 4,
        "mamba_d_head": 8,
        "mamba_d_state": 8,
        "lm_head_multiplier": 0.5,
    },
}
FUSED = {"gpt_neox", "bloom", "llama"}
WORDS = 50
LENGTHS = (12, 9, 5)  # of the rows of a batch


def model_of(family: str):
    torch.manual_seed(0)
    architecture = ARCHITECTURES[family] | {"vocab_size": WORDS, "initializer_range": 0.3}
    config = AutoConfig.for_model(**architecture, bos_token_id=0, eos_token_id=0, pad_token_id=0)
    return AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()


def batch(labelled: float) -> dict[str, torch.Tensor]:
    """Three rows of 12, 9 and 5 tokens, padded on the right, with labels on about the given share of them."""
    draw = torch.Generator().manual_seed(1)
    ids = torch.randint(1, WORDS, (3, 12), generator=draw)
    keep = (torch.rand(3, 12, generator=draw) < labelled) & (torch.arange(12) < torch.tensor(LENGTHS)[:, None])
    return {"input_ids": ids, "targets": torch.where(keep, ids, NO_LABEL)}


def loss_and_gradients(model, loss) -> tuple[float, list[torch.Tensor]]:
    model.zero_grad()
    loss.backward()
    return loss.item(), [parameter.grad.clone() for parameter in model.parameters()]


def plain_loss(model, inputs: dict[str, torch.Tensor], lengths=LENGTHS) -> torch.Tensor:
    """The loss where padding is masked."""
    mask = (torch.arange(12) < torch.tensor(lengths)[:, None]).long()
    logits = model(input_ids=inputs["input_ids"], attention_mask=mask).logits[:, :-1]
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), inputs["targets"][:, 1:].flatten(), ignore_index=NO_LABEL, reduction="sum"
    )


@pytest.mark.parametrize("chunk", [labelled_loss.CHUNK, 4 * WORDS])
@pytest.mark.parametrize("labelled", [1.0, 0.4])
@pytest.mark.parametrize("family", ARCHITECTURES)
def test_the_loss_and_its_gradients_are_those_on_all_logits(monkeypatch, family, labelled, chunk):
    monkeypatch.setattr(labelled_loss, "CHUNK", chunk)
    model, inputs = model_of(family), batch(labelled)
    value, gradients = loss_and_gradients(model, plain_loss(model, inputs))
    give_summed_loss(model)
    ours, our_gradients = loss_and_gradients(model, model(**inputs).loss)
    assert ours == pytest.approx(value, rel=1e-6)
    for gradient, other in zip(gradients, our_gradients, strict=True):
        torch.testing.assert_close(other, gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("chunk", [labelled_loss.CHUNK, 4 * WORDS])
@pytest.mark.parametrize("family", ARCHITECTURES)
def test_each_example_counts_as_often_as_its_factor_says(monkeypatch, family, chunk):
    monkeypatch.setattr(labelled_loss, "CHUNK", chunk)
    model, inputs, factors = model_of(family), batch(1.0), torch.tensor([0.5, 2.0, 3.0])
    apart = [{name: value[row : row + 1] for name, value in inputs.items()} for row in range(3)]
    alone = [plain_loss(model, row, [length]) for row, length in zip(apart, LENGTHS, strict=True)]
    plain = sum(factor * loss for factor, loss in zip(factors, alone, strict=True))
    value, gradients = loss_and_gradients(model, plain)
    give_summed_loss(model)
    ours, our_gradients = loss_and_gradients(model, model(**inputs, factors=factors).loss)
    assert ours == pytest.approx(value, rel=1e-6)
    for gradient, other in zip(gradients, our_gradients, strict=True):
        torch.testing.assert_close(other, gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_without_labels_the_loss_is_0_and_every_parameter_has_a_gradient(family):
    """So that a rank without examples can take part in the step."""
    model = model_of(family)
    give_summed_loss(model)
    value, gradients = loss_and_gradients(model, model(**batch(0.0)).loss)
    assert value == 0 and not any(gradient.any() for gradient in gradients)


def test_without_targets_the_model_computes_what_it_did():
    model, inputs = model_of("bloom"), batch(1.0)
    del inputs["targets"]
    logits = model(**inputs).logits
    give_summed_loss(model)
    assert torch.equal(model(**inputs).logits, logits)


PEAK = """
import sys, torch
sys.path.insert(0, {scripts!r})
from training import labelled_loss
from training.instruments import peak_resident_memory
labelled_loss.CHUNK = 64 * 250_880
torch.manual_seed(0)
head, states = torch.nn.Linear(8, 250_880, bias=False), torch.randn(384, 8, requires_grad=True)
targets = torch.randint(0, 250_880, (384,))
before = peak_resident_memory()
if {ours}:
    loss = labelled_loss.summed_loss(head, states, targets)
else:
    loss = torch.nn.functional.cross_entropy(head(states).float(), targets, reduction="sum")
loss.backward()
print(loss.item(), peak_resident_memory() - before)
"""


def test_with_blooms_vocabulary_one_chunk_of_logits_is_held_at_a_time():
    """A sixth of them here; the plain loss holds the logits, their softmax and its gradient at once."""
    (value, peak), (plain_value, plain_peak) = (
        map(
            float,
            subprocess.run(
                [sys.executable, "-c", PEAK.format(scripts=str(tiny.SCRIPTS), ours=ours)],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.split(),
        )
        for ours in (True, False)
    )
    assert value == pytest.approx(plain_value, rel=1e-5)
    assert peak < plain_peak / 5, (peak, plain_peak)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", ARCHITECTURES)
def test_logits_are_skipped_exactly_where_they_come_from_the_output_layer_alone(family, precision):
    model = model_of(family).to(precision)
    before = torch.random.get_rng_state()
    assert can_be_fused(model) == (family in FUSED)
    assert torch.equal(torch.random.get_rng_state(), before), "adapters are initialised next"
    inputs = {name: value for name, value in batch(1.0).items() if name != "targets"}
    assert model(**inputs).logits.shape == (3, 12, WORDS), "the model is restored"
