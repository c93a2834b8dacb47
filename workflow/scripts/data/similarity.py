"""How alike short texts are: the Jaccard similarity of their sets of character n-grams, found exactly.

Deduplication of training data usually estimates this similarity by MinHash, with n-grams of words (Lee et al., 2022,
"Deduplicating Training Data Makes Language Models Better"). Instructions are short: of ten words, the one that is
replaced is in up to five of the six 5-grams of words, which leaves a similarity of 0.1. 5-grams of characters leave
about 0.7, wherever it is. Tables of this size can be counted exactly; an estimate would miss pairs.

A text is compared without what two copies may differ in: case, punctuation, spacing, and forms of the same characters.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import regex

if TYPE_CHECKING:
    import polars as pl

GRAM = 5  # characters
UNSPACED_GRAM = 2  # where a character stands for a syllable or a word: about as much text as five letters
UNSPACED = ("Hans", "Hant", "Jpan")  # such scripts, as in the labels of languages
NOT_COMPARED = regex.compile(r"\P{Word}+")  # unlike \w of re, \p{Word} has vowel signs such as those of Hindi
MOST_LINES = 5_000_000  # of a joined table: bounds the memory, also for long rows made from one template


def gram_size(labels: Iterable[str]) -> int:
    """Characters of an n-gram in a language with these labels of OpenLID, such as zho_Hans."""
    return UNSPACED_GRAM if any(label.endswith(UNSPACED) for label in labels) else GRAM


def compared(text: str) -> str:
    """A text as it is compared: compatible characters made one (NFKC), without case, words separated by one space. One
    that has no word, such as an emoji, is compared as it is."""
    words = NOT_COMPARED.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
    return words or text.strip()


def grams_of(text: str, size: int) -> set[str]:
    """The distinct n-grams of a compared text; a shorter text is its own, an empty one has none."""
    return {text[start : start + size] for start in range(max(1, len(text) - size + 1))} if text else set()


class GramTable:
    """Sets of n-grams as tables (text: its position, gram: a number), with the same numbers in all tables."""

    def __init__(self, size: int):
        self.size = size
        self._numbers: dict[str, int] = {}

    def table(self, texts: Sequence[str]) -> "pl.DataFrame":
        """One line for each text and each of its n-grams."""
        import numpy as np
        import polars as pl

        lengths, numbers = [], []
        for text in texts:
            grams = grams_of(text, self.size)
            lengths.append(len(grams))
            numbers.append(
                np.fromiter((self._numbers.setdefault(gram, len(self._numbers)) for gram in grams), np.uint32)
            )
        places = np.repeat(np.arange(len(texts), dtype=np.uint32), lengths)
        return pl.DataFrame({"text": places, "gram": np.concatenate([*numbers, np.zeros(0, np.uint32)])})


def similarities(here: "pl.DataFrame", there: "pl.DataFrame") -> "pl.DataFrame":
    """All pairs of a text here and one there that share an n-gram: here, there, similarity, and `covered`, the share of
    the first text's n-grams that the second has."""
    import polars as pl

    among = there.join(here, on="gram", how="semi")
    parts = [
        text.join(among, on="gram").group_by(here="text", there="text_right").len("shared") for text in _each(here)
    ]
    pairs = pl.concat([pl.DataFrame(schema=dict.fromkeys(("here", "there", "shared"), pl.UInt32)), *parts])
    return _with_similarity(pairs, here, there).with_columns(covered=pl.col("shared") / pl.col("size"))


def near_an_earlier(table: "pl.DataFrame", threshold: float) -> list[int]:
    """The texts of a table that have at least this similarity with an earlier one.

    None is missed: of two texts with a similarity of t, one of n n-grams shares at least t·n, so that the rarest
    n - t·n + 1 of both have one in common, which enough others follow (prefix and positional filter; Xiao et al., 2008,
    "Efficient Similarity Joins for Near Duplicate Detection"). Only such pairs are compared; and first, only each text
    and the one before it with the same rare n-gram, as rows made from one template are all alike.
    """
    import polars as pl

    rare = _rare(table, threshold)
    enough = threshold / (1 + threshold) * (pl.col("size") + pl.col("size_right")) - 1e-9  # shared n-grams
    before = rare.sort("gram", "text").select(here="text", there=pl.col("text").shift(1).over("gram")).drop_nulls()
    near = _near(before.unique(), table, threshold)
    for block in _slices(rare.filter(~pl.col("text").is_in(near.implode())), "texts"):
        pairs = block.join(rare, on="gram").filter(
            pl.col("text_right") < pl.col("text"), pl.min_horizontal("left", "left_right") >= enough
        )
        near = near.append(_near(pairs.select(here="text", there="text_right").unique(), table, threshold))
    return near.unique().sort().to_list()  # a text may lie in two blocks


def _rare(table: "pl.DataFrame", threshold: float) -> "pl.DataFrame":
    """The rarest n-grams of each text: text, gram, size of the text, `left` (its number of n-grams that are not rarer),
    and `texts` (how many texts have the n-gram among their rarest)."""
    import polars as pl

    needed = (pl.col("size") * threshold - 1e-9).ceil()  # a product such as 0.7 * 30 may be a little too large
    return (
        table.join(table.group_by("gram").len("frequency"), on="gram")
        .join(_sizes(table), on="text")
        .sort("text", "frequency", "gram")
        .with_columns(left=pl.col("size") - pl.int_range(pl.len()).over("text"))
        .filter(pl.col("left") >= needed)
        .select("text", "gram", "size", "left", texts=pl.len().over("gram"))
    )


def _near(pairs: "pl.DataFrame", table: "pl.DataFrame", threshold: float) -> "pl.Series":
    """The first texts of those pairs (here, there) that have this similarity."""
    import polars as pl

    near = pl.Series("here", [], dtype=pl.UInt32)
    for some in _slices(pairs.join(_sizes(table), left_on="here", right_on="text"), "size"):
        shared = (
            some.select("here", "there")
            .join(table, left_on="here", right_on="text")
            .join(table, left_on=["there", "gram"], right_on=["text", "gram"], how="semi")
            .group_by("here", "there")
            .len("shared")
        )
        alike = _with_similarity(shared, table, table).filter(pl.col("similarity") >= threshold - 1e-9)
        near = near.append(alike["here"])
    return near.unique()


def _slices(table: "pl.DataFrame", weight: str) -> "list[pl.DataFrame]":
    """The table in parts, of which each has about MOST_LINES in the column `weight`, summed up."""
    import polars as pl

    part = pl.col(weight).cast(pl.Int64).cum_sum() // MOST_LINES
    return table.with_columns(part=part).partition_by("part", maintain_order=True, include_key=False)


def _each(table: "pl.DataFrame") -> "list[pl.DataFrame]":
    return table.partition_by("text", maintain_order=True)


def _sizes(table: "pl.DataFrame") -> "pl.DataFrame":
    return table.group_by("text").len("size")


def _with_similarity(shared: "pl.DataFrame", here: "pl.DataFrame", there: "pl.DataFrame") -> "pl.DataFrame":
    """Pairs (here, there, shared), with their Jaccard similarity."""
    import polars as pl

    either = pl.col("size").cast(pl.Int64) + pl.col("size_there") - pl.col("shared")
    return (
        shared.join(_sizes(here), left_on="here", right_on="text")
        .join(_sizes(there).rename({"size": "size_there"}), left_on="there", right_on="text")
        .with_columns(similarity=pl.col("shared") / either)
    )
