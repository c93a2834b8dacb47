"""The flags of a translated row. Flags delete nothing: a recipe names the flags whose rows it leaves out.

flag_translation.py describes how each is decided; `pieced` is set by the translation itself.
"""

from collections.abc import Iterable

FLAGS = {  # in the order in which a row lists them
    "pieced": "a sentence lost a number, link or piece of code in translation, so it was translated around it",
    "blank": "a field is empty in the translation but not in the seed, or the other way round",
    "copied": "at least half of a field came through untranslated",
    "output_is_input": "the translated output equals the translated input, but the seed's output and input differ",
    "length_ratio": "a field is shorter than half or longer than twice the usual length for the language",
    "repetition": "a stretch of text occurs four or more times in a row, but not in the seed",
    "language": "the language identifier takes the row for another language",
}


def sorted_flags(flags: Iterable[str]) -> list[str]:
    """The flags, each once, in the order of FLAGS. Raises ValueError with the name of an unknown flag."""
    flags = set(flags)
    for unknown in sorted(flags - FLAGS.keys()):
        raise ValueError(unknown)
    return [flag for flag in FLAGS if flag in flags]
