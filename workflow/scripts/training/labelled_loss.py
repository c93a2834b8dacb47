"""The loss of a causal language model, at labelled positions only, and without ever holding all logits at once.

The output layer costs as much as the rest of a small model, and with BLOOM's vocabulary of 250,880 a micro-batch's
logits are the largest tensor in memory. Only labelled positions need them: with the loss on the response, that is a
fraction of the tokens. They are processed in chunks, and the gradients of a chunk are computed along with its loss, so
that only one chunk's logits are held and nothing is computed twice (as in Liger Kernel, arXiv:2410.10989).
"""

import types

import torch

from training.examples import NO_LABEL

CHUNK = 2**25  # logits held at once, 128 MB in fp32
GPU_ROWS = 256  # minimum positions in a chunk: with fewer, a GPU is limited by reading the weights


class _SummedLoss(torch.autograd.Function):
    """Cross-entropy summed over positions, each times its factor, with gradients for the states and, if it is trained,
    for the weight."""

    @staticmethod
    def forward(ctx, states, weight, targets, factors, train: bool):
        """`states` [positions, width], `weight` [vocabulary, width], `targets` and `factors` (None: 1) [positions]; an
        fp32 scalar."""
        device = states.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states.dtype
        with torch.autocast(device, enabled=False):
            inputs, matrix = states.to(dtype), weight.to(dtype)
            of_states = torch.empty_like(inputs) if train else None
            of_weight = torch.zeros_like(weight) if train and weight.requires_grad else None
            total = torch.zeros((), dtype=torch.float32, device=states.device)
            rows = max(GPU_ROWS if device == "cuda" else 1, CHUNK // len(weight))
            for start in range(0, len(inputs), rows):
                part, wanted = inputs[start : start + rows], targets[start : start + rows, None]
                logits = (part @ matrix.t()).float()
                logits -= logits.amax(1, keepdim=True)
                at_target = logits.gather(1, wanted)
                masses = logits.exp_().sum(
                    1, keepdim=True
                )  # in place, like all that follows: a chunk is held only once
                losses = masses.log() - at_target
                factor = None if factors is None else factors[start : start + rows, None]
                total += (losses if factor is None else losses * factor).sum()
                if of_states is None:
                    continue
                slope = logits.div_(masses)  # the softmax, minus 1 at the target
                slope.scatter_add_(1, wanted, torch.full_like(at_target, -1.0))
                slope = (slope if factor is None else slope.mul_(factor)).to(dtype)
                torch.mm(slope, matrix, out=of_states[start : start + rows])
                if of_weight is not None and of_weight.dtype == dtype:
                    of_weight.addmm_(slope.t(), part)
                elif of_weight is not None:
                    of_weight += slope.t() @ part
                del logits, slope  # before those of the next chunk are allocated
        ctx.gradients = (None if of_states is None else of_states.to(states.dtype), of_weight)
        return total

    @staticmethod
    def backward(ctx, scale):  # ty: ignore[incompatible-method-override]  the signature that PyTorch documents
        of_states, of_weight = ctx.gradients
        ctx.gradients = None  # they are scaled in place, so they can be used only once
        return of_states.mul_(scale), None if of_weight is None else of_weight.mul_(scale), None, None, None


def summed_loss(head, states, targets, factors=None):
    """Cross-entropy summed over positions, each times its factor; `states` [positions, width], `targets` and `factors`
    (None: 1) [positions].

    `head` itself returns it, in place of logits, so that hooks on calling `head` take effect: ZeRO-3 gathers the weight
    there, once for all chunks. Without any position the sum is 0, with gradients of 0.
    """
    plain, train = head.forward, torch.is_grad_enabled()
    head.forward = lambda states: _SummedLoss.apply(states, head.weight, targets, factors, train)
    try:
        return head(states)
    finally:
        head.forward = plain


class _Known:
    """Stands for what a base model returns: known hidden states, and nothing else."""

    def __init__(self, states):
        self.last_hidden_state = states

    def __getitem__(self, place):
        return self.last_hidden_state if place == 0 else None

    def __getattr__(self, name):
        return None


def logits_are_of_the_head(model) -> bool:
    """Whether the output layer gets the last hidden states as they are, and its logits are the model's.

    Some models scale or cap the ones or the others. Found out with known values in place of the base model's and the
    output layer's results, so that no weight is read.
    """
    head, base = model.get_output_embeddings(), model.base_model
    states = torch.arange(2.0 * head.in_features, device=head.weight.device).remainder(251).view(1, 2, -1)  # fits bf16
    logits = torch.tensor([[[-1000.0, 0.5, 1000.0]] * 2], device=states.device)
    seen = []
    stand_ins = {head: lambda given: seen.append(given) or logits, base: lambda *_, **__: _Known(states)}
    if isinstance(decoder := getattr(base, "decoder", None), torch.nn.Module):  # OPT's is called without its base
        stand_ins[decoder] = stand_ins[base]
    plain = {module: module.forward for module in stand_ins}
    ids = torch.zeros(1, 2, dtype=torch.long, device=states.device)
    try:
        for module, forward in stand_ins.items():
            module.forward = forward
        given = model.forward(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    except Exception:  # whatever such a model misses: its logits are then computed by itself
        return False
    finally:
        for module, forward in plain.items():
            module.forward = forward
    return len(seen) == 1 and torch.equal(seen[0], states) and torch.equal(given.float(), logits)


def can_be_fused(model) -> bool:
    """Whether the logits are simply the last hidden states multiplied by one matrix."""
    head = model.get_output_embeddings()
    return type(head) is torch.nn.Linear and head.bias is None and logits_are_of_the_head(model)


def give_summed_loss(model) -> None:
    """Make a causal model of Transformers return, given `targets` [batch, length], the sum of the losses at its labels.

    Targets are labels: position i predicts the one at i + 1. With `factors` [batch], each loss counts as often as its
    example's factor says. Without `targets` the model behaves as before.
    """
    from transformers.modeling_outputs import CausalLMOutput

    plain, fused = model.forward, can_be_fused(model)

    def forward(self, input_ids=None, targets=None, factors=None, **others):
        if targets is None:
            return plain(input_ids=input_ids, **others)
        wanted = targets[:, 1:]
        labelled = wanted != NO_LABEL
        if factors is not None:
            factors = factors[:, None].expand_as(labelled)[labelled]
        if not fused:
            logits = plain(input_ids=input_ids).logits[:, :-1][labelled]
            losses = torch.nn.functional.cross_entropy(logits.float(), wanted[labelled], reduction="none")
            return CausalLMOutput(loss=(losses if factors is None else losses * factors).sum())
        states = self.base_model(input_ids=input_ids, use_cache=False).last_hidden_state
        head = self.get_output_embeddings()
        return CausalLMOutput(loss=summed_loss(head, states[:, :-1][labelled], wanted[labelled], factors))

    model.forward = types.MethodType(forward, model)
