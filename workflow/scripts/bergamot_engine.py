"""Drive the Bergamot translation engine: requests in on stdin, answers out on stdout, one JSON object a line.

A request is {"segments": [text, ...]}, its answer {"translations": [text, ...]}, the same number in the same
order. Whitespace around a segment, and between its sentences, comes back as it was.

This program runs under CPython 3.10, the last that the package bergamot has wheels for, in an environment of its
own; it needs nothing but that package and the standard library. By hand:

    echo '{"segments": ["Good morning!"]}' | .venv-bergamot/bin/python bergamot_engine.py --config DIR/config.yml

Answers repeat exactly: the engine forms its batches from one request at a time, so a translation depends on
the model and on the request it came in, never on the number of workers; and the integer kernels are held at
AVX2, because newer ones round differently.
"""

import argparse
import bisect
import importlib.metadata
import importlib.util
import itertools
import json
import os
import sys
import unicodedata
from pathlib import Path

PACKAGE = "0.4.5"
KERNELS = "AVX2"
VERSION = f"bergamot {PACKAGE}, {KERNELS}"  # what, beside model and request, determines a translation


def load_engine():
    """Load the extension module itself: `import bergamot` downloads lists of models and fails without a network."""
    package = importlib.util.find_spec("bergamot")
    libraries = [
        so
        for place in (package.submodule_search_locations if package else ())
        for so in Path(place).glob("_bergamot*.so")
    ]
    if not libraries or importlib.metadata.version("bergamot") != PACKAGE:
        sys.exit(f"error: no bergamot {PACKAGE} here; under CPython 3.10, pip install --no-deps bergamot=={PACKAGE}")
    spec = importlib.util.spec_from_file_location("_bergamot", libraries[0])
    engine = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(engine)
    return engine


def ends_without_space(text):
    """Whether a text ends in Chinese or Japanese punctuation, which no space follows."""
    last = text[-1:]
    return bool(last) and unicodedata.category(last)[0] == "P" and unicodedata.east_asian_width(last) in "WF"


class Translator:
    """A model, loaded, and the service that runs it."""

    def __init__(self, config, workers):
        os.environ["INTGEMM_CPUID"] = KERNELS  # read once, when the library is loaded
        self.engine = load_engine()
        self.service = self.engine.Service(self.engine.ServiceConfig(numWorkers=workers, cacheSize=0, logLevel="error"))
        self.model = self.service.modelFromConfigPath(str(config))
        self.options = self.engine.ResponseOptions(qualityScores=False, alignment=False, HTML=False)

    def translate(self, segments):
        """Translate a list of texts as one request.

        The texts are joined by newlines, which the engine never carries a sentence across. It reports where in the
        source each of its sentences stood; everything between sentences is taken from the source, so that spaces
        survive, and with them the space at which the engine cuts a sentence too long for the model.
        """
        sources = [segment.encode("utf-8") for segment in segments]
        joined = b"\n".join(sources)
        if not joined.strip():
            return list(segments)
        ends = list(itertools.accumulate(len(source) + 1 for source in sources))  # of a text and its newline
        starts = [0, *ends[:-1]]

        request = self.engine.VectorString([joined.decode("utf-8")])
        response = self.service.translate(self.model, request, self.options)[0]
        rebuilt = [""] * len(sources)
        copied = list(starts)  # per text: the byte of `joined` up to which it has been rebuilt
        for number in range(response.source.numSentences()):
            place = response.source.sentenceAsByteRange(number)
            text = bisect.bisect(starts, place.begin) - 1
            sentence = joined[place.begin : place.end]
            begin = place.end - len(sentence.lstrip())
            gap = joined[copied[text] : begin].decode("utf-8")
            rebuilt[text] += gap.lstrip() if ends_without_space(rebuilt[text]) else gap
            rebuilt[text] += response.target.sentence(number)
            copied[text] = place.end
        trails = [joined[begin : end - 1].decode("utf-8") for begin, end in zip(copied, ends, strict=True)]
        return [text + trail for text, trail in zip(rebuilt, trails, strict=True)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="the model's config.yml")
    parser.add_argument("--workers", type=int, default=1, help="threads (default 1)")
    arguments = parser.parse_args()

    translator = Translator(arguments.config, arguments.workers)
    for line in sys.stdin:
        answer = {"translations": translator.translate(json.loads(line)["segments"])}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
