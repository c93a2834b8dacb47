"""Names in one part of a configuration that must be defined in another part, or in the repository."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from basics.errors import InputError
from basics.paths import REPOSITORY
from data.flags import FLAGS
from data.languages import read_table
from study.identification import IDENTIFIERS, OPENLID
from study.schema import suggestion
from study.series import METHODS
from study.short_forms import methods_of, recipes_of, sweeps

LANGUAGES = REPOSITORY / "resources" / "languages.yaml"


class Reference(NamedTuple):
    """A name under a key, the names allowed there, and a description of what it should be, with the remedy."""

    key: str
    name: str
    known: Iterable[str]
    wanted: str


def check_references(config: Mapping) -> None:
    """Raise InputError for the first name that is not defined."""
    parts = (
        _languages,
        _recipes,
        _selections,
        _figures,
        _seeds,
        _models,
        _released,
        _by_language,
        _sources,
        _rating_sheet,
    )
    for key, name, known, wanted in chain.from_iterable(part(config) for part in parts):
        if name not in known:
            raise InputError(f"config: {key}: {name!r} is not {wanted}{suggestion(name, known)}")


def _list_references(key: str, names: Iterable[str], known: Iterable[str], wanted: str) -> Iterator[Reference]:
    """A reference for each name in a list."""
    for position, name in enumerate(names):
        yield Reference(f"{key}[{position}]", name, known, wanted)


TRAINED = "one of languages.train: add it there, or remove it here"


def _languages(config: Mapping) -> Iterator[Reference]:
    table = read_table(LANGUAGES)
    in_table = "in resources/languages.yaml: add it there with its name and labels"
    for part, codes in config["languages"].items():
        yield from _list_references(f"languages.{part}", codes, table, in_table)
    yield from _list_references("languages.seen", config["languages"]["seen"], config["languages"]["train"], TRAINED)


def _recipes(config: Mapping) -> Iterator[Reference]:
    """Languages of recipes and of their weights, and flags whose rows are left out."""
    trained = config["languages"]["train"]
    flag = f"a flag of translated rows; there are {', '.join(FLAGS)}"
    yield from _list_references("recipe.drop_flags", config["recipe"]["drop_flags"], FLAGS, flag)
    for recipe, mix in config["recipes"].items():
        codes = trained if mix["languages"] == "all" else mix["languages"]
        yield from _list_references(f"recipes.{recipe}.languages", codes, trained, TRAINED)
        for code in mix.get("weights", {}):
            wanted = "one of its languages: add it there, or remove it here"
            yield Reference(f"recipes.{recipe}.weights", code, codes, wanted)
        yield from _list_references(f"recipes.{recipe}.drop_flags", mix.get("drop_flags", []), FLAGS, flag)


def _selections(config: Mapping) -> Iterator[Reference]:
    for name, models in config["select"].items():
        yield from _list_references(f"select.{name}", models, config["models"], "an entry of `models`: add it there")
    yield from _list_references("draw", config["draw"], config["figures"], "an entry of `figures`: add it there")


def _figures(config: Mapping) -> Iterator[Reference]:
    """Methods, selections, sweep and series of figures."""
    methods, swept = methods_of(config), sweeps(config)
    series = ["monolingual", "English", *recipes_of(config)]
    for figure, content in config["figures"].items():
        key = f"figures.{figure}"
        for method, selections in content["runs"].items():
            yield Reference(f"{key}.runs", method, methods, "lora, full or an entry of `methods`: add it there")
            in_select = "an entry of `select`: add it there"
            yield from _list_references(f"{key}.runs.{method}", selections, config["select"], in_select)
        if "sweep" in content:
            yield Reference(f"{key}.sweep", content["sweep"], swept, "a sweep of `recipes` or `methods`: add it there")
        in_series = "monolingual, English or a recipe: add it there"
        yield from _list_references(f"{key}.series", content.get("series", []), series, in_series)


def _seeds(config: Mapping) -> Iterator[Reference]:
    """Methods, selections and recipes whose trainings are repeated."""
    seeds, methods = config["seeds"], methods_of(config)
    for method, selections in seeds["runs"].items():
        yield Reference("seeds.runs", method, methods, "lora, full or an entry of `methods`: add it there")
        wanted = "an entry of `select`: add it there"
        yield from _list_references(f"seeds.runs.{method}", selections, config["select"], wanted)
    if seeds["recipes"] != "all":
        wanted = "an entry of `recipes` or a built-in one: add it there"
        yield from _list_references("seeds.recipes", seeds["recipes"], _trained_recipes(config), wanted)


def _models(config: Mapping) -> Iterator[Reference]:
    """Families of models, and families in the assumptions of a plan."""
    families = config["families"]
    for model, entry in config["models"].items():
        yield Reference(f"models.{model}.family", entry["family"], families, "an entry of `families`: add it there")
    for family in config["plan"]["tokens_a_row"]:
        wanted = "an entry of `families`: remove it"
        yield Reference(f"plan.tokens_a_row.{family}", family, ["default", *families], wanted)


def _released(config: Mapping) -> Iterator[Reference]:
    """Models and recipes with different names in the authors' repositories."""
    for method in METHODS:
        for model in config["released"][method]["models"]:
            wanted = "an entry of `models`: add it there"
            yield Reference(f"released.{method}.models", model, config["models"], wanted)
    for recipe in config["released"]["recipes"]:
        wanted = "an entry of `recipes` or a built-in one: add it there"
        yield Reference("released.recipes", recipe, _trained_recipes(config), wanted)


def _trained_recipes(config: Mapping) -> list[str]:
    """The recipes of all trainings: those of the configuration, and the monolingual ones."""
    return [*recipes_of(config), *(f"mono-{code}" for code in config["languages"]["seen"])]


def _by_language(config: Mapping) -> Iterator[Reference]:
    """Languages that override a default."""
    languages = config["languages"]
    translated, tested = languages["train"][1:], [*languages["seen"], *languages["unseen"]]
    wanted = "a language of languages.train that is translated into, or one that is tested: add it there"
    places = {("data", "prompts"): tested, ("translation", "source"): translated}
    places["translation", "architecture"] = translated
    for (part, name), codes in places.items():
        value = config[part][name]
        for code in value if isinstance(value, Mapping) else []:
            yield Reference(f"{part}.{name}.{code}", code, ["default", *codes], wanted)


def _sources(config: Mapping) -> Iterator[Reference]:
    """Names of sources and of identifiers' labels; a path, which contains a slash, needs no entry."""
    wanted = "an entry of `sources` with a file: add it there, or give the path of a file"
    sources = config["sources"]
    files = [name for name, entry in sources.items() if "trained_on" not in entry]
    for use in ("seed", "prompts", "identifier", "english_words"):
        given = config["data"][use]
        for code, name in given.items() if isinstance(given, Mapping) else [("", given)]:
            if name is not None and "/" not in name:
                known = sources if use == "identifier" else files
                yield Reference(f"data.{use}.{code}".rstrip("."), name, known, wanted)
    known = [OPENLID, *IDENTIFIERS]
    for source, entry in sources.items():
        if "/" not in (labels := entry.get("labels", OPENLID)):
            wanted = f"one of {', '.join(known)}, or the path of a table of your own"
            yield Reference(f"sources.{source}.labels", labels, known, wanted)


def _rating_sheet(config: Mapping) -> Iterator[Reference]:
    """Languages whose answers people are to rate."""
    tested = [*config["languages"]["seen"], *config["languages"]["unseen"]]
    codes = config["rating_sheet"]["languages"]
    wanted = "a language that is tested: add it to languages.seen or languages.unseen"
    yield from _list_references("rating_sheet.languages", tested if codes == "all" else codes, tested, wanted)
