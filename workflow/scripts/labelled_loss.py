"""The loss of a causal language model, on labelled positions alone and never with all logits at once.

The output layer costs as much as the rest of a small model, and for BLOOM's 250,880 words a micro-batch's logits are
the largest thing in memory. Only positions with a label need them: with loss on the response that is a part of the
tokens. They are taken in chunks, each computed again in the backward pass, so that what is held is one chunk's logits.
"""

import types

NO_LABEL = -100  # PyTorch's cross-entropy passes over it
CHUNK = 2**26  # logits held at once, in fp32 256 MB; below it, nothing is computed twice
SCALED = ("final_logit_softcapping", "logit_scale", "logits_scaling", "mup_scale")  # what models do to logits besides


def _summed(head, states, targets):
    """Cross-entropy summed over positions; `states` [positions, width], `targets` [positions]."""
    import torch

    return torch.nn.functional.cross_entropy(head(states).float(), targets, reduction="sum")


def summed_loss(head, states, targets, words: int):
    """The same, chunk by chunk. `words` is the vocabulary's size. No position at all gives 0, with gradients of 0."""
    from torch.utils.checkpoint import checkpoint

    chunks = _alike(head, -(-len(states) // max(1, CHUNK // words)))
    if chunks <= 1:
        return _summed(head, states, targets)
    parts = zip(states.tensor_split(chunks), targets.tensor_split(chunks), strict=True)
    return sum(checkpoint(_summed, head, *part, use_reentrant=False) for part in parts)


def _alike(head, chunks: int) -> int:
    """The largest number of chunks on any rank, where ZeRO-3 has shared out the output layer: its weights are gathered
    at every call, by all ranks together, and one that called less often would leave the others waiting."""
    if not hasattr(head.weight, "ds_id"):
        return chunks
    import torch

    most = torch.tensor(chunks, device=head.weight.device)
    torch.distributed.all_reduce(most, op=torch.distributed.ReduceOp.MAX)
    return int(most)


def give_summed_loss(model) -> None:
    """Make a causal model of Transformers return, for `targets` [batch, length], the sum of the losses at its labels.

    Target and label are one: position i + 1 is what position i must predict. Without `targets` the model is as it was.
    """
    from transformers.modeling_outputs import CausalLMOutput

    plain = model.forward
    scaled = [name for name in SCALED if getattr(model.config, name, None) not in (None, 1, 1.0)]

    def forward(self, input_ids=None, attention_mask=None, targets=None, **others):
        if targets is None:
            return plain(input_ids=input_ids, attention_mask=attention_mask, **others)
        wanted = targets[:, 1:]
        labelled = wanted != NO_LABEL
        if scaled:  # the output layer is not all there is between states and logits
            logits = plain(input_ids=input_ids, attention_mask=attention_mask).logits
            return CausalLMOutput(loss=_summed(lambda rows: rows, logits[:, :-1][labelled], wanted[labelled]))
        states = self.base_model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).last_hidden_state
        head = self.get_output_embeddings()
        rows = states[:, :-1][labelled]
        return CausalLMOutput(loss=summed_loss(head, rows, wanted[labelled], self.config.vocab_size))

    model.forward = types.MethodType(forward, model)
