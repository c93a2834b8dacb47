"""Where data come from: files of this machine, downloads with their hashes, translations, and the identifier."""

import pytest

from studies import LANGUAGES, miniature, paper, run, wildcards
from study.answers import Answers
from study.bases import Bases
from study.compute import Compute
from study.identification import Identification
from study.judges import Judges
from study.matrix import Matrix
from study.sources import Download, Sources
from study.translations import Translations

AUTHORS = "https://raw.githubusercontent.com/hplt-project/monolingual-multilingual-instruction-tuning"
COMMIT = "0053b15119a5a16c177a0d17fbff9a4960944734"


@pytest.fixture(scope="module")
def sources() -> Sources:
    return Sources(paper())


def test_a_source_with_an_address_is_downloaded(sources):
    assert sources.seed == "<results>/downloads/alpaca-cleaned/alpaca_data_cleaned.en.json"
    assert sources.file("openlid") == "<results>/downloads/openlid/model.bin"
    assert sources.prompts(wildcards(lang="no")) == "<results>/downloads/openassistant/test_no.jsonl"
    assert sources.reference_prompts == "<results>/downloads/openassistant/test_en.jsonl"


def test_a_source_with_a_path_and_a_bare_path_are_read_in_place():
    sources = Sources(miniature())
    assert sources.seed == "resources/demo/seed.jsonl"
    assert sources.prompts(wildcards(lang="bg")) == "resources/demo/prompts/bg.jsonl"
    assert sources.file("my-data/{lang}.jsonl", "fi") == "my-data/fi.jsonl"


def test_the_paper_downloads_its_seed_its_prompts_its_identifier_and_a_list_of_words(sources):
    tested = [f"openassistant/test_{lang}.jsonl" for lang in ("en", "es", "fr", "bg", "ru", "zh", "bn", "no")]
    others = ["openlid/model.bin", "unix-words/words"]
    assert list(sources.downloads) == ["alpaca-cleaned/alpaca_data_cleaned.en.json", *tested, *others]


def test_a_download_has_its_address_and_the_hash_of_its_language(sources):
    assert sources.downloads["alpaca-cleaned/alpaca_data_cleaned.en.json"] == Download(
        url=f"{AUTHORS}/{COMMIT}/training-data/alpaca_data_cleaned.en.json",
        sha256=None,
        git_blob="fce7512c5733979e61db8c25e5138deead700650",
    )
    norwegian = wildcards(file="openassistant/test_no.jsonl")
    assert sources.url(norwegian) == f"{AUTHORS}/{COMMIT}/test-data/test_no.jsonl"
    assert sources.hash_options(norwegian) == [
        "--sha256",
        "b17f8a7ca5e0c857e5d39d1af6d4fd07307b62c6dec5e2fcb0351ab58be7396d",
    ]


def test_a_file_with_both_hashes_is_checked_against_both_and_unpacked():
    config = paper(sources={"openlid": {"url": "https://example.org/lid.bin.gz", "sha256": "1" * 64}})
    config["sources"]["openlid"]["git_blob"] = "2" * 40
    sources = Sources(config)
    assert sources.file("openlid") == "<results>/downloads/openlid/lid.bin"
    options = ["--sha256", "1" * 64, "--git-blob", "2" * 40]
    assert sources.hash_options(wildcards(file="openlid/lid.bin")) == options


def test_the_miniature_downloads_nothing():
    config = miniature()
    config["sources"] = {name: entry for name, entry in config["sources"].items() if "url" not in entry}
    assert Sources(config).downloads == {}


def test_only_files_of_languages_that_are_used_are_downloaded():
    published = Sources(paper(translation={"source": {"default": "firefox", "es": "published", "fi": "published"}}))
    assert published.languages_in("published") == ["es", "fi"]
    assert published.languages_in("openassistant") == ["en", "es", "fr", "bg", "ru", "zh", "bn", "no"]
    places = [place for place in published.downloads if place.startswith("published/")]
    assert places == ["published/alpaca_data_cleaned.es.json", "published/alpaca_data_cleaned.fi.json"]


# Translations


def translations(config: dict) -> Translations:
    return Translations(config, Sources(config))


def test_the_paper_translates_by_firefox_models_alone():
    made = translations(paper())
    assert made.from_models("firefox") == "es|fr|bg|ru|zh|cs|de|fi"
    assert (made.from_models("packed"), made.from_files()) == ("none", "none")
    assert made.architecture(wildcards(lang="zh")) == "base-memory"


def test_the_miniature_has_packed_models_with_their_checksums_beside_them():
    made = translations(miniature())
    assert made.from_models("packed") == made.from_models("firefox", "packed") == "es|fr|bg|ru|zh"
    assert made.packed_model(wildcards(lang="bg")) == "resources/demo/translation/enbg.tar.gz"
    assert made.checksums(wildcards(lang="bg")) == "resources/demo/translation/checksums.json"


def test_each_language_may_have_a_translation_from_elsewhere():
    source = {"default": "firefox", "es": "published", "fi": "my-data/{lang}.jsonl"}
    size = {"default": "tiny", "zh": "base"}
    made = translations(paper(translation={"source": source, "architecture": size}))
    assert made.from_files() == "es|fi"
    assert made.from_models("firefox", "packed") == "fr|bg|ru|zh|cs|de"
    assert made.file(wildcards(lang="es")) == "<results>/downloads/published/alpaca_data_cleaned.es.json"
    assert made.file(wildcards(lang="fi")) == "my-data/fi.jsonl"
    assert [made.architecture(wildcards(lang=lang)) for lang in ("fr", "zh")] == ["tiny", "base"]


# The language identifier


def identification(config: dict) -> Identification:
    answers = Answers(config, Matrix(config), Judges(config, Compute(config)))
    return Identification(config, LANGUAGES, Sources(config), Bases(config), answers)


def test_the_identifier_is_downloaded_or_trained_on_the_corpus():
    assert identification(paper()).model == "<results>/downloads/openlid/model.bin"
    assert identification(miniature()).model == "<results>/identifier.bin"


def test_the_list_of_english_words_is_downloaded_or_a_file_or_there_is_none():
    assert identification(paper()).english_words == ["<results>/downloads/unix-words/words"]
    assert identification(miniature()).english_words == ["resources/demo/english-words.txt"]
    own = {"data": {"english_words": "/usr/share/dict/words"}}
    assert identification(paper(**own)).english_words == ["/usr/share/dict/words"]
    assert identification(paper(data={"english_words": None})).english_words == []


def test_a_job_depends_on_the_labels_of_its_own_languages():
    labels = identification(paper())
    assert labels.translation_labels(wildcards(lang="fi")) == {"fi": ["fin_Latn"]}
    assert list(labels.answer_labels(run("lora/pythia-70m/mono-es"))) == ["es"]
    assert labels.answer_labels(run("full/bloom-560m/multilingual"))["no"] == ["nob_Latn", "nno_Latn"]
    assert list(identification(miniature()).corpus_labels) == ["en", "es", "fr", "bg", "ru", "zh", "bn", "no"]


def test_an_identifier_has_the_labels_of_its_table_and_texts_are_normalised_for_it():
    ours = identification(paper())
    assert (ours.label_options, ours.normalise) == ([], "none")
    third = identification(paper(sources={"openlid": {"labels": "openlid-v3"}}))
    assert third.label_options == ["--labels", "resources/identifiers/openlid-v3.yaml"]
    assert third.normalise == "clean-line"
    assert third.translation_labels(wildcards(lang="zh")) == {"zh": ["cmn_Hans", "cmn_Hant"]}
    assert identification(paper(langid={"normalise": "clean-line"})).normalise == "clean-line"
    asked = {"sources": {"openlid": {"labels": "openlid-v3"}}, "langid": {"normalise": "none"}}
    assert identification(paper(**asked)).normalise == "none"


def test_an_identifier_may_have_a_users_own_table(tmp_path):
    path = tmp_path / "labels.yaml"
    path.write_text("normalise: none\nlabels: {fi: [finnish]}\n")
    own = identification(paper(sources={"openlid": {"labels": str(path)}}))
    assert own.label_options == ["--labels", str(path)]
    assert own.translation_labels(wildcards(lang="fi")) == {"fi": ["finnish"]}
