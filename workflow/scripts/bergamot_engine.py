"""Run the Bergamot translation engine: requests on stdin, answers on stdout, one JSON object per line.

A request is {"segments": [text, ...]}, its answer {"answers": [[[gap, length, target], ...], ...]}: for every segment,
in order, its sentences as the engine split them, each as the number of characters between it and the sentence before,
the number of its characters, and its translation.

This program runs under CPython 3.10, the last version that the package bergamot has wheels for, in a separate
environment; it needs only that package and the standard library. By hand:

    echo '{"segments": ["Good morning!"]}' | .venv-bergamot/bin/python bergamot_engine.py --config DIR/config.yml

Answers are exactly reproducible: the engine makes its batches from one request at a time, so a translation depends on
the model and on its request, never on the number of workers; and the kernels are fixed, because those of newer
processors round differently. With --kernels native they are not (translating/engine.py).
"""

import argparse
import bisect
import importlib.metadata
import importlib.util
import itertools
import json
import os
import sys
from pathlib import Path

from translating.engine import CHOICES, PACKAGE, best_level, variables


def load_engine():
    """Load the extension module directly: `import bergamot` downloads lists of models and fails without a network."""
    package = importlib.util.find_spec("bergamot")
    libraries = [
        so
        for place in getattr(package, "submodule_search_locations", None) or ()
        for so in Path(place).glob("_bergamot*.so")
    ]
    if not libraries or importlib.metadata.version("bergamot") != PACKAGE:
        sys.exit(f"error: no bergamot {PACKAGE} here; under CPython 3.10, pip install --no-deps bergamot=={PACKAGE}")
    spec = importlib.util.spec_from_file_location("_bergamot", libraries[0])
    assert spec and spec.loader  # as for every file that ends in .so
    engine = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(engine)
    return engine


def character_start(text, place):
    """The last position, up to `place`, at which a UTF-8 character begins: the engine may cut inside one."""
    while place < len(text) and text[place] & 0b11000000 == 0b10000000:
        place -= 1
    return place


class LoadedModel:
    """A loaded model and the service that runs it."""

    def __init__(self, config, workers, kernels="portable"):
        os.environ.update(variables(kernels))  # read once, when the library is loaded
        self.engine = load_engine()
        self.service = self.engine.Service(self.engine.ServiceConfig(numWorkers=workers, cacheSize=0, logLevel="error"))
        self.model = self.service.modelFromConfigPath(str(config))
        self.options = self.engine.ResponseOptions(qualityScores=False, alignment=False, HTML=False)

    def translate(self, segments):
        """Translate a list of texts as one request; return for each a list of [gap, length, target], by sentence.

        The texts are joined with newlines, which no sentence of the engine crosses. The engine reports the position of
        each sentence in the source. A sentence that is too long for the model is cut, at a space if there is one; the
        parts count as sentences here.
        """
        sources = [segment.encode("utf-8") for segment in segments]
        joined = b"\n".join(sources)
        answers = [[] for _ in segments]
        if not joined.strip():
            return answers
        ends = list(itertools.accumulate(len(source) + 1 for source in sources))  # of a text and its newline
        copied = [0, *ends[:-1]]  # per text: the byte of `joined` up to which sentences have been reported
        starts = list(copied)

        request = self.engine.VectorString([joined.decode("utf-8")])
        response = self.service.translate(self.model, request, self.options)[0]
        for number in range(response.source.numSentences()):
            place = response.source.sentenceAsByteRange(number)
            text = bisect.bisect(starts, place.begin) - 1
            end = character_start(joined, place.end)
            begin = end - len(joined[character_start(joined, place.begin) : end].lstrip())
            gap, source = joined[copied[text] : begin].decode("utf-8"), joined[begin:end].decode("utf-8")
            try:
                target = response.target.sentence(number)
            except UnicodeDecodeError:  # a character cut in the middle
                target = ""
            answers[text].append([len(gap), len(source), target])
            copied[text] = end
        return answers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="the model's config.yml")
    parser.add_argument("--workers", type=int, default=1, help="threads (default 1)")
    parser.add_argument("--kernels", choices=CHOICES, default="portable", help="default: portable")
    arguments = parser.parse_args()

    if not best_level():
        sys.exit("error: this processor has no AVX2, without which translations would differ; use another machine")
    model = LoadedModel(arguments.config, arguments.workers, arguments.kernels)
    for line in sys.stdin:
        print(json.dumps({"answers": model.translate(json.loads(line)["segments"])}), flush=True)


if __name__ == "__main__":
    main()
