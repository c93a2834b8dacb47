"""Answers from a model in this process, by Hugging Face `generate`, in batches that give the answers of single prompts.

Prompts of unequal length are padded on the left and masked, so that no answer depends on the padding: positions count
from a prompt's first token, and the repetition penalty ignores padding (Transformers 5.23 does so, and a test checks
it). All that is left of the batch's influence is the order in which numbers are summed: in fp32 it changed no token in
our tests, in bf16 it may decide between two tokens that are almost equally likely.

Not every architecture keeps padding out: RecurrentGemma's convolution reads it. Each model is therefore tried first,
and one that sees its padding answers only prompts of equal length together.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from basics.errors import InputError
from models import language_models  # noqa: F401  (first: it configures threads and network access)
from models.tokenizer import Tokenizer
from models.tuned import load_tuned

TRIED = "What is it?"
PADDING = 5  # tokens, more than the convolutions of recurrent models reach back


def pad_left(prompts: list[list[int]], pad: int) -> tuple[list[list[int]], list[list[int]]]:
    """Token ids and attention mask of a batch, each [prompts, length of the longest]."""
    width = max(map(len, prompts))
    ids = [[pad] * (width - len(ids)) + ids for ids in prompts]
    mask = [[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts]
    return ids, mask


def generate(model, prompts: list[list[int]], settings, tokenizer: Tokenizer) -> list[tuple[list[int], bool]]:
    """Answer prompts: for each, the generated token ids without end of text, and whether end of text was reached.

    Raises InputError if the architecture, such as RWKV, has no beam search.
    """
    import torch
    from transformers import GenerationConfig

    decoding = GenerationConfig(  # complete, so that none of the base model's own defaults are mixed in
        do_sample=False,
        num_beams=settings.beams,
        no_repeat_ngram_size=settings.no_repeat_ngram,
        repetition_penalty=settings.repetition_penalty,
        max_new_tokens=settings.max_new_tokens,
        eos_token_id=tokenizer.eos,
        pad_token_id=tokenizer.pad,
        bos_token_id=tokenizer.eos,
    )
    ids, mask = (torch.tensor(rows, device=model.device) for rows in pad_left(prompts, tokenizer.pad))
    try:
        with torch.inference_mode():
            output = model.generate(input_ids=ids, attention_mask=mask, generation_config=decoding)
    except ValueError as error:
        if settings.beams > 1 and "beam search" in str(error):
            raise InputError(f"beams {settings.beams}: {error}; set respond.<method>.beams to 1") from None
        raise
    answers = []
    for sequence in output[:, ids.shape[1] :].tolist():
        finished = tokenizer.eos in sequence
        answers.append((sequence[: sequence.index(tokenizer.eos)] if finished else sequence, finished))
    return answers


def sees_padding(model, prompt: list[int], tokenizer: Tokenizer) -> bool:
    """Whether what the model answers to a prompt depends on the tokens that are masked before it.

    They are the same number either way, so that all sums have the same order, and nothing but the padding can make a
    difference.
    """
    import torch
    from transformers import GenerationConfig

    tried = GenerationConfig(
        do_sample=False,
        max_new_tokens=2,
        min_new_tokens=2,
        eos_token_id=tokenizer.eos,
        pad_token_id=tokenizer.pad,
        bos_token_id=tokenizer.eos,
        output_logits=True,
        return_dict_in_generate=True,
    )
    mask = torch.tensor([[0] * PADDING + [1] * len(prompt)], device=model.device)
    logits = []
    for padding in (tokenizer.pad, prompt[0], prompt[-1]):
        ids = torch.tensor([[padding] * PADDING + prompt], device=model.device)
        with torch.inference_mode():
            logits.append(
                torch.stack(model.generate(input_ids=ids, attention_mask=mask, generation_config=tried).logits)
            )
    return not all(torch.equal(logits[0], other) for other in logits[1:])


def generate_by_length(model, prompts: list[list[int]], settings, tokenizer: Tokenizer) -> list[tuple[list[int], bool]]:
    """Like `generate_in_memory`, but only prompts of equal length share a batch, so that nothing is padded."""
    places = defaultdict(list)
    for place, prompt in enumerate(prompts):
        places[len(prompt)].append(place)
    answers = {}
    for some in places.values():
        batch = [prompts[place] for place in some]
        answers |= zip(some, generate_in_memory(model, batch, settings, tokenizer), strict=True)
    return [answers[place] for place in range(len(prompts))]


def generate_in_memory(model, prompts: list[list[int]], settings, tokenizer: Tokenizer) -> list[tuple[list[int], bool]]:
    """Like `generate`, but halves a batch that does not fit into GPU memory. Raises InputError if a single prompt does
    not fit."""
    import torch

    try:
        return generate(model, prompts, settings, tokenizer)
    except torch.OutOfMemoryError:
        if len(prompts) == 1:
            raise InputError(
                f"the GPU has no memory to answer a prompt of {len(prompts[0])} tokens with beam {settings.beams};"
                " use a larger GPU, or lower respond.<method>.beams or max_new_tokens"
            ) from None
    torch.cuda.empty_cache()  # outside the except clause, whose traceback keeps the tensors alive
    print(f"no memory for {len(prompts)} prompts at once, halved: lower respond.<method>.batch", file=sys.stderr)
    half = len(prompts) // 2
    halves = (prompts[:half], prompts[half:])
    return [answer for part in halves for answer in generate_in_memory(model, part, settings, tokenizer)]


def engine_versions() -> dict[str, str]:
    """The library and the device that generate the answers, for the metadata."""
    import torch
    import transformers

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {"engine": f"transformers {transformers.__version__}", "device": device}


@contextmanager
def loaded_model(method: str, base: Path, folder: Path, settings, tokenizer: Tokenizer) -> Generator[Callable]:
    """The tuned model as a function of a batch of prompts; an adapter is not merged into the base."""
    model = load_tuned(method, base, folder, settings.precision)
    together = generate_in_memory
    if settings.batch > 1 and sees_padding(model, tokenizer.encode_prompt(TRIED), tokenizer):
        print(f"{base}: sees its padding, so only prompts of equal length are answered together", file=sys.stderr)
        together = generate_by_length
    yield lambda prompts: together(model, prompts, settings, tokenizer)
