"""Drive the Bergamot translation engine: requests in on stdin, answers out on stdout, one JSON object a line.

A request is {"segments": [text, ...]}, its answer {"answers": [[[gap, length, target], ...], ...]}: for every segment,
in order, its sentences as the engine found them: the characters between one and the sentence before it, those of the
sentence, and its translation.

This program runs under CPython 3.10, the last that the package bergamot has wheels for, in an environment of its
own; it needs nothing but that package and the standard library. By hand:

    echo '{"segments": ["Good morning!"]}' | .venv-bergamot/bin/python bergamot_engine.py --config DIR/config.yml

Answers repeat exactly: the engine forms its batches from one request at a time, so a translation depends on the model
and on the request it came in, never on the number of workers; and the kernels are held at one kind each, because those
of newer processors round differently.
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

from translating.engine import KERNELS, PACKAGE


def load_engine():
    """Load the extension module itself: `import bergamot` downloads lists of models and fails without a network."""
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


def has_avx2(cpuinfo=Path("/proc/cpuinfo")):
    """Whether the processor has AVX2; taken for granted where the system does not tell."""
    return not cpuinfo.exists() or " avx2 " in cpuinfo.read_text().replace("\n", " ") + " "


def character_start(text, place):
    """The last place, up to `place`, at which a character of UTF-8 begins: the engine may cut inside one."""
    while place < len(text) and text[place] & 0b11000000 == 0b10000000:
        place -= 1
    return place


class Translator:
    """A model, loaded, and the service that runs it."""

    def __init__(self, config, workers):
        os.environ.update(KERNELS)  # read once, when the library is loaded
        self.engine = load_engine()
        self.service = self.engine.Service(self.engine.ServiceConfig(numWorkers=workers, cacheSize=0, logLevel="error"))
        self.model = self.service.modelFromConfigPath(str(config))
        self.options = self.engine.ResponseOptions(qualityScores=False, alignment=False, HTML=False)

    def translate(self, segments):
        """Translate a list of texts as one request; return for each a list of [gap, length, target], by sentence.

        The texts are joined by newlines, which the engine never carries a sentence across. It reports where in the
        source each of its sentences stood. A sentence too long for the model it cuts, at a space if there is one: the
        parts count as sentences here.
        """
        sources = [segment.encode("utf-8") for segment in segments]
        joined = b"\n".join(sources)
        answers = [[] for _ in segments]
        if not joined.strip():
            return answers
        ends = list(itertools.accumulate(len(source) + 1 for source in sources))  # of a text and its newline
        copied = [0, *ends[:-1]]  # per text: the byte of `joined` up to which its sentences have been reported
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
            except UnicodeDecodeError:  # a character broken off in the middle
                target = ""
            answers[text].append([len(gap), len(source), target])
            copied[text] = end
        return answers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="the model's config.yml")
    parser.add_argument("--workers", type=int, default=1, help="threads (default 1)")
    arguments = parser.parse_args()

    if not has_avx2():
        sys.exit("error: this processor has no AVX2, without which translations would differ; take another machine")
    translator = Translator(arguments.config, arguments.workers)
    for line in sys.stdin:
        print(json.dumps({"answers": translator.translate(json.loads(line)["segments"])}), flush=True)


if __name__ == "__main__":
    main()
