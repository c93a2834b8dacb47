"""What makes a tuned model usable by somebody who has its folder and nothing else: the name of its base model, the
tokenizer, and a model card.

The tokenizer is the one of training, token for token: Transformers is told to take tokenizer.json as it is, where some
of its classes (LlamaTokenizer) would build another one from the vocabulary. Its chat template is the prompt of
training: that of an instruction-tuned base would not suit the tuned model.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from tokenizers import Tokenizer as FastTokenizer

from basics.errors import InputError
from basics.kinds import fields_fault
from basics.reading import read_json
from basics.writing import write_json, write_text
from data.template import Template
from models.cards import CARD_FIELDS, model_card
from models.tokenizer import Tokenizer

DEFINITION, SETTINGS = "tokenizer.json", "tokenizer_config.json"
GENERIC_CLASS = "PreTrainedTokenizerFast"  # which every version of Transformers knows
GIVEN = {"model_input_names": ["input_ids", "attention_mask"]}  # that class may also give what causal models refuse
REMEDY = "train the adapter again, or remove the file"
NOT_TAKEN = {"auto_map", "backend", "chat_template", "name_or_path", "tokenizer_file"}  # code, paths, other prompts


def origin_of(base: Path) -> dict[str, str | None]:
    """Where anybody finds a base model: `name`, its repository on the hub, and `revision`, the commit. For a model that
    was not fetched from there, its folder as it was given, and None. Raises InputError for a damaged source.json."""
    source, remedy = base / "source.json", "fetch the model again, or remove the file"
    record = read_json(source, fields=(), remedy=remedy) if source.exists() else {}
    if "repo" not in record:
        return {"name": str(base), "revision": None}
    if fault := fields_fault(record, {"repo": str, "revision": str}):
        raise InputError(f"{source}: {fault}; {remedy}")
    return {"name": record["repo"], "revision": record["revision"]}


class Companions:
    """What lies beside weights. Create it before the work: it reads all that it needs, and raises InputError if the
    tokenizer or the template cannot be read. Without a tokenizer there will be none, and likewise for the template."""

    def __init__(self, tokenizer: Path | None, template: Path | None = None):
        self._tokenizer = tokenizer
        self._template = Template(template) if template else None
        self._settings = self._settings_of(tokenizer) if tokenizer else {}

    def _settings_of(self, folder: Path) -> dict:
        Tokenizer(folder)  # which names what is wrong with it
        settings = read_json(folder / SETTINGS, fields=())
        kept = {key: value for key, value in settings.items() if key not in NOT_TAKEN}
        chat = chat_template(self._template, folder) if self._template else None
        return GIVEN | kept | {"tokenizer_class": GENERIC_CLASS} | ({"chat_template": chat} if chat else {})

    def save_tokenizer(self, folder: Path) -> None:
        """Put the tokenizer into the folder of a model."""
        if self._tokenizer:
            shutil.copyfile(self._tokenizer / DEFINITION, folder / DEFINITION)
            write_json(folder / SETTINGS, self._settings)

    def save(self, folder: Path, record: Mapping) -> None:
        """Put the tokenizer and a card into the folder of a model; `record` is its training.json."""
        self.save_tokenizer(folder)
        write_text(folder / "README.md", model_card(record, self._template))


class MergedCompanions:
    """The same for the model that an adapter was merged into, from what lies beside the adapter, if it is there: a
    released adapter has no training.json, and one that an older version trained has no tokenizer. Create it before the
    work: it raises InputError for a damaged file."""

    def __init__(self, adapter: Path):
        self._tokenizer = [adapter / name for name in (DEFINITION, SETTINGS) if (adapter / name).exists()]
        if self._tokenizer:
            Tokenizer(adapter)
        self._card = self._card_of(adapter / "training.json")

    def _card_of(self, record: Path) -> str | None:
        if not record.exists() or "base" not in read_json(record, fields=(), remedy=REMEDY):
            return None
        return model_card(read_json(record, CARD_FIELDS, REMEDY), None, merged=True)

    def save(self, folder: Path) -> None:
        """Put them into the folder of the merged model."""
        for file in self._tokenizer:
            shutil.copyfile(file, folder / file.name)
        if self._card:
            write_text(folder / "README.md", self._card)


def chat_template(template: Template, folder: Path) -> str | None:
    """The prompt for an instruction without input, as a chat template (Jinja) for the tokenizer in `folder`.

    It renders the last message of the user, since the models are not tuned on longer conversations. Chat templates are
    tokenized without special tokens, so the template contains those that the tokenizer puts before a text. None for a
    tokenizer that then gives other tokens than in training (one that treats the beginning of a text differently).
    """
    tokenizer, plain = Tokenizer(folder), FastTokenizer.from_file(str(folder / DEFINITION))
    prompt = template.prompt("{instruction}")
    ids, own = tokenizer.encode_prompt(prompt), plain.encode(prompt, add_special_tokens=False).ids
    whole = tokenizer.decode(ids[: len(ids) - len(own)], special_tokens="keep") + prompt
    if plain.encode(whole, add_special_tokens=False).ids != ids:
        return None
    parts = whole.split("{instruction}")
    before, after = (json.dumps(part, ensure_ascii=False) for part in parts)
    asked = "(messages | selectattr('role', 'equalto', 'user') | list | last)['content']"
    return f"{{{{ {before} + {asked} + {after} }}}}"
