"""Translate texts with the Bergamot engine in one call, and print how long that took.

Texts are a JSON list of texts, or of rows, whose values are then the texts. Requests as segment.py makes them (JSON
lines) are one call each.

This is the bare engine: no journal, no preserved structure, nothing repeatable. Like bergamot_engine.py, it runs under
CPython 3.10 with no packages but bergamot.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from bergamot_engine import load_engine
from translating.engine import PORTABLE


def calls_of(path):
    """The lists of texts to send, one after another."""
    if path.suffix == ".jsonl":
        with path.open(encoding="utf-8") as lines:
            return [["\n".join(json.loads(line)["segments"])] for line in lines]
    texts = json.loads(path.read_text(encoding="utf-8"))
    if texts and isinstance(texts[0], dict):
        texts = [value for row in texts for value in row.values()]
    return [texts]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, help="the model's config.yml")
    parser.add_argument("--texts", type=Path, required=True, help="JSON list, or JSON lines of requests")
    parser.add_argument("--cache", type=int, default=0, help="sentences the engine remembers")
    parser.add_argument("--any-kernels", action="store_true", help="those the engine takes on this processor by itself")
    parser.add_argument("--output", type=Path, required=True, help="JSON list of translations")
    arguments = parser.parse_args()

    if not arguments.any_kernels:
        os.environ.update(PORTABLE)
    engine = load_engine()
    service = engine.Service(engine.ServiceConfig(numWorkers=1, cacheSize=arguments.cache, logLevel="off"))
    model = service.modelFromConfigPath(arguments.config)
    options = engine.ResponseOptions(qualityScores=False, alignment=False, HTML=False)
    calls = calls_of(arguments.texts)

    start, start_cpu = time.perf_counter(), time.process_time()
    responses = [
        response for texts in calls for response in service.translate(model, engine.VectorString(texts), options)
    ]
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu

    counts = {"sentences": 0, "source_pieces": 0, "target_pieces": 0}
    for response in responses:
        counts["sentences"] += response.source.numSentences()
        for number in range(response.source.numSentences()):
            counts["source_pieces"] += response.source.numWords(number)
            counts["target_pieces"] += response.target.numWords(number)
    translations = [response.target.text for response in responses]
    arguments.output.write_text(json.dumps(translations, ensure_ascii=False), encoding="utf-8")
    print(json.dumps({"seconds": seconds, "cpu": cpu, **counts}))


if __name__ == "__main__":
    main()
