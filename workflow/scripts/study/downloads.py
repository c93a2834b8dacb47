"""Everything that a study fetches, so that it can be had before jobs run on nodes without a network."""

from study.bases import Bases
from study.identification import Identification
from study.judges import Judges
from study.matrix import Matrix
from study.recipes import Recipes
from study.sources import Sources
from study.trainings import Trainings
from study.translations import Translations
from study.wildcards import Chosen


class Downloads:
    """The files and folders that the runs of a matrix need and that come from the network."""

    def __init__(self, matrix: Matrix, recipes: Recipes, trainings: Trainings):
        self._matrix = matrix
        self._trained_here = trainings.methods_from("trained")
        trained = [run.recipe for run in matrix.runs if run.method in self._trained_here]
        self._translated = [lang for lang in recipes.languages_of(trained) if lang != matrix.trained[0]]
        self._has_rows = bool(trained)

    def all(
        self,
        sources: Sources,
        translations: Translations,
        identification: Identification,
        bases: Bases,
        judges: Judges,
    ) -> list[str]:
        """All of them."""
        return [*self.data(sources, translations, identification), *self.models(bases), *self.judges(judges)]

    def data(self, sources: Sources, translations: Translations, identification: Identification) -> list[str]:
        """Files of data, and folders of models of the translation engine."""
        tested = [lang for lang in self._matrix.tested if any(lang in langs for langs in self._matrix.runs.values())]
        files = [sources.reference_prompts, *(sources.prompts(Chosen(lang=lang)) for lang in tested)]
        files += [identification.model, *identification.english_words, *([sources.seed] if self._has_rows else [])]
        models = []
        for lang in self._translated:
            if translations.kind(lang) == "firefox":
                models.append(f"<results>/translation_models/{lang}")
            elif translations.kind(lang) != "packed":
                files.append(translations.file(Chosen(lang=lang)))
        return [path for path in dict.fromkeys(files) if path.startswith("<results>/downloads/")] + models

    def models(self, bases: Bases) -> list[str]:
        """Folders of base models, tokenizers, and tuned models that are used in place of training."""
        models = [Chosen(model=model) for model in self._matrix.models]
        fetched = [bases.model(each) for each in models if "repo" in bases.model_source(each)]
        families = [Chosen(family=family) for family in dict.fromkeys(map(bases.family, models))]
        fetched += [bases.tokenizer(each) for each in families if "repo" in bases.tokenizer_source(each)]
        released = [run.path for run in self._matrix.runs if run.method not in self._trained_here]
        return [*fetched, *(f"<results>/models/{run}" for run in released)]

    def judges(self, judges: Judges) -> list[str]:
        """Records of the weights of judges that jobs serve; the weights go to the hub's cache."""
        return [f"<results>/judge_weights/{name}.json" for name in judges.weights]
