"""Tokenizers and base models: the user's own folders, downloaded, converted from GGUF, or trained on a corpus."""

import json
from collections.abc import Mapping

from study.contents import content_of
from study.wildcards import Wildcards, one_of


class Bases:
    """The entries of `families` and `models`."""

    def __init__(self, config: Mapping):
        self._families: Mapping[str, Mapping] = config["families"]
        self._models: Mapping[str, Mapping] = config["models"]
        self._corpus = config.get("corpus", {})
        languages = [*config["languages"]["train"], *config["languages"]["unseen"]]
        self.corpus = {lang: f"<results>/corpus/{lang}.txt" for lang in languages}  # files by language
        pretraining = config.get("pretrain", {}) | {"seed": config["random_seed"]}
        self.pretraining = json.dumps(pretraining)  # settings of pretrain.py

    # ---- constraints on the wildcards `family` and `model`

    def tokenizers_with(self, key: str) -> str:
        """Constraint on the families whose tokenizer has `repo`, `gguf`, `vocabulary` or `path`."""
        return one_of(family for family, entry in self._families.items() if key in entry["tokenizer"])

    def models_with(self, key: str) -> str:
        """Constraint on the models that have `repo`, `gguf`, `architecture` or `path`."""
        return one_of(model for model, entry in self._models.items() if key in entry)

    # ---- one model or family

    def family(self, wildcards: Wildcards) -> str:
        """The family itself, or that of a model."""
        return getattr(wildcards, "family", None) or self._models[wildcards.model]["family"]

    def adapter_modules(self, wildcards: Wildcards) -> list[str]:
        """Modules that LoRA adapts in a family, unless a method has its own."""
        return self._families[self.family(wildcards)]["adapter_modules"]

    def tokenizer(self, wildcards: Wildcards) -> str:
        """Folder of the tokenizer of a model or family: the user's own, or the one that is trained or downloaded."""
        family = self.family(wildcards)
        return self._families[family]["tokenizer"].get("path") or f"<results>/tokenizers/{family}"

    def model(self, wildcards: Wildcards) -> str:
        """Folder of a base model: the user's own, or the one that is pretrained or downloaded."""
        return self._models[wildcards.model].get("path") or f"<results>/bases/{wildcards.model}"

    def tokenizer_content(self, wildcards: Wildcards) -> str:
        """A file that changes when, and only when, that tokenizer does."""
        return content_of(self.tokenizer(wildcards))

    def model_content(self, wildcards: Wildcards) -> str:
        """A file that changes when, and only when, that base model does."""
        return content_of(self.model(wildcards))

    def tokenizer_source(self, wildcards: Wildcards) -> Mapping:
        """Where a tokenizer comes from: `repo` and `revision`, or `gguf` and `sha256`."""
        return self._families[wildcards.family]["tokenizer"]

    def model_source(self, wildcards: Wildcards) -> Mapping:
        """Where a base model comes from: `repo` and `revision`, or `gguf` and `sha256`."""
        return self._models[wildcards.model]

    def tokenizer_file(self, wildcards: Wildcards) -> str:
        """GGUF file that a tokenizer is converted from."""
        return self.tokenizer_source(wildcards)["gguf"]

    def model_file(self, wildcards: Wildcards) -> str:
        """GGUF file that a base model is converted from."""
        return self.model_source(wildcards)["gguf"]

    # ---- those that are made here

    @property
    def grammar(self) -> str:
        """File of the grammar that generates the corpus; without one, a name that says which key is missing."""
        return self._corpus.get("grammar", "config.corpus.grammar")

    @property
    def corpus_characters(self) -> int | None:
        """Size of each language's corpus, in characters."""
        return self._corpus.get("characters")

    def corpus_options(self, wildcards: Wildcards, input) -> list[str]:
        """The corpus of each language, as LANG=FILE."""
        return [f"{lang}={path}" for lang, path in zip(self.corpus, input.corpus, strict=True)]

    def vocabulary(self, wildcards: Wildcards) -> int:
        """Vocabulary size of a tokenizer that is trained."""
        return self._families[wildcards.family]["tokenizer"]["vocabulary"]

    def architecture(self, wildcards: Wildcards) -> str:
        """Architecture of a model that is pretrained, as JSON."""
        return json.dumps(self._models[wildcards.model]["architecture"])
