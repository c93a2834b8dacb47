"""What a translated row can be flagged for. Flags delete nothing: a recipe leaves rows out by these names.

flag_translation.py says how each is decided; `pieced` is set by the translation itself.
"""

from collections.abc import Iterable

FLAGS = {  # in the order in which a row lists them
    "pieced": "a sentence lost a number, link or piece of code in translation, so it was translated around it",
    "blank": "a field is empty in the translation and not in the seed, or the other way round",
    "copied": "a field came through untranslated, half of it or more",
    "output_is_input": "the translated output equals the translated input, and in the seed it does not",
    "length_ratio": "a field is far longer or shorter than the language's translations usually are",
    "repetition": "a stretch of text stands many times in a row, and not in the seed",
    "language": "the row is taken for another language",
}


def in_order(flags: Iterable[str]) -> list[str]:
    """The flags, each once, in the order of FLAGS. Raises ValueError with the name of one that is unknown."""
    flags = set(flags)
    for unknown in sorted(flags - FLAGS.keys()):
        raise ValueError(unknown)
    return [flag for flag in FLAGS if flag in flags]
