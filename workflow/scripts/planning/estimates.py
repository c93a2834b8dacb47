"""The arithmetic of a plan: tokens, FLOPs, hours, memory, bytes and dollars, from counts and assumptions.

Nothing here reads a file; plan.py says where each number comes from.
"""

import math
from collections.abc import Mapping

from training.checkpoints import MOST_KEPT
from training.flops import peak_flops, training_flops

WARNING = 300  # seconds before its time limit when a training is told to stop (--signal in profiles/slurm)
BYTES = {"bf16": 2, "fp32": 4}
ADAM = 12  # bytes per parameter, divided by ZeRO: an fp32 copy and two moments (Rajbhandari et al. 2020, section 3.1)
TOKEN, TOKENIZED_ROW = 4, 28  # bytes of an int32 id, and of the other columns and offsets of a row


def recipe_rows(
    rows: str | int, seed_rows: int, languages: int, validation_rows: int, hold_out: str
) -> tuple[int, int]:
    """Training and validation rows of a recipe, as recipe.py draws them if no row is left out for a flag."""
    held = validation_rows * (languages if hold_out == "ids" else 1)
    pool = seed_rows * languages - held
    return int({"all": pool, "one-language": seed_rows - validation_rows}.get(rows, rows)), held


def full_training_flops(parameters: float, tokens: float) -> float:
    """FLOPs of training every parameter on `tokens`: 6 per parameter and token. An upper bound for LoRA, which needs
    about 4, since it computes no gradients of the base model's weights."""
    return training_flops(parameters, parameters, tokens)


def device_rate(device: str, flops: float | None, mfu: float) -> float:
    """FLOP/s that one device reaches in training; check_config.py has made sure that its peak is known."""
    peak = flops or peak_flops(device)
    assert peak
    return peak * mfu


def attempts(seconds: float, start_up: float, runtime: float | None) -> int | None:
    """How many times a training is started before it finishes, if each attempt is stopped `WARNING` seconds before
    `runtime` minutes are over; None if that leaves no time to train."""
    if runtime is None:
        return 1
    if start_up + seconds <= 60 * runtime:
        return 1
    usable = 60 * runtime - WARNING - start_up
    return math.ceil(seconds / usable) if usable > 0 else None


def weights_in_training(parameters: float, settings: Mapping, ranks: int) -> float:
    """Bytes of a device's memory for weights, gradients and the optimizer; activations use what is left.

    `settings` are those of train.py. Adapters are small compared to their base model, and ignored.
    """
    weight = BYTES[settings["precision"]] * parameters
    if settings.get("lora"):
        return weight
    stage, offload = settings.get("zero_stage"), settings.get("offload", "none")
    if not stage:
        return 16 * parameters
    weights = 0 if offload == "all" else weight / ranks if stage == 3 else weight
    optimizer = ADAM * parameters / ranks if offload == "none" else 0
    return weights + weight / ranks + optimizer


def adapter_parameters(parameters: float, rank: int) -> float:
    """Parameters of a LoRA adapter on query, key and value in all layers. For a Transformer of width 128 times its
    number of layers, the model has 12 width^2 layers parameters, and the adapter 4 rank width layers."""
    width = (128 * parameters / 12) ** (1 / 3)
    return parameters * rank / (3 * width)


def model_bytes(parameters: float, settings: Mapping) -> float:
    """Size of a tuned model on disk: an fp32 adapter, or all weights in the precision in which they are trained."""
    if settings.get("lora"):
        return 4 * adapter_parameters(parameters, settings["lora"]["rank"])
    return (BYTES[settings["precision"]] if settings.get("zero_stage") else 4) * parameters


def checkpoint_bytes(parameters: float, settings: Mapping) -> float:
    """Size of all checkpoints of a running training: weights, and the optimizer's state of those that are trained."""
    if settings.get("lora"):
        return MOST_KEPT * 3 * model_bytes(parameters, settings)
    return MOST_KEPT * (model_bytes(parameters, settings) + ADAM * parameters)


def token_bytes(rows: float, tokens: float) -> float:
    """Size of a tokenized recipe."""
    return TOKENIZED_ROW * rows + TOKEN * tokens


def judge_seconds(calls: float, tokens: float, settings: Mapping, latency: float) -> float:
    """Time of `calls` with `tokens` each, within the endpoint's rate limits and the judge's concurrency."""
    return calls * max(latency / settings.get("concurrency", 8), _pace(tokens, settings))


def share_of_limits(tokens: float, settings: Mapping, latency: float) -> int:
    """Percent of the endpoint's limits that a job uses whose calls have `tokens` each; 0 if there are no limits."""
    pace = _pace(tokens, settings)
    return round(100 * pace / max(latency / settings.get("concurrency", 8), pace)) if pace else 0


def _pace(tokens: float, settings: Mapping) -> float:
    """Seconds from the start of one call to that of the next, by the endpoint's limits."""
    by_requests = 60 / settings["requests_per_minute"] if "requests_per_minute" in settings else 0.0
    by_tokens = 60 * tokens / settings["tokens_per_minute"] if "tokens_per_minute" in settings else 0.0
    return max(by_requests, by_tokens)
