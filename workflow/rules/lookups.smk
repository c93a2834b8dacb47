# What the rules look up in the config, by stage: functions of wildcards, and lists of files. Which runs there are is
# common.smk's matter.

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path, PurePosixPath

from basics.code_digest import code_digest
from reporting.drawing import SERIES
from serving.client import KEY_VARIABLE
from study.released import folder_of, pin_of, read_registry, repository_of

from humanfriendly import parse_size

from study.series import recipe_of
from study.short_forms import answering_template, place_of, selected_models, training_template

RESULTS = f"results/{config['experiment']}"  # <results>, for parameters, where Snakemake does not expand it


def code_of(*programs: str):
    """What the programs of a rule do, as a parameter: a job is run again when that changes. Worked out when it is asked
    for: each job of a cluster reads these files, and wants its own program's alone."""
    return lambda wildcards: code_digest(*programs)


TRANSLATION = config["translation"]

# ---- seed


def address_of(name: str, lang: str | None = None) -> str:
    """Address of a source's file; `lang` where it has one a language."""
    return config["sources"][name]["url"].replace("{lang}", lang or "")


def download_of(name: str, lang: str | None = None) -> str:
    """Place below downloads/ of a source's file, unpacked."""
    return f"{name}/{PurePosixPath(address_of(name, lang)).name.removesuffix('.gz')}"


def languages_in(name: str) -> list[str]:
    """Languages whose files of a source are used: as prompts, as translations, or both."""
    used = [*config["data"]["prompts"].items(), *TRANSLATION["source"].items()]
    return list(dict.fromkeys(lang for lang, source in used if source == name))


def published_files() -> dict[str, dict]:
    """Every file that `sources` declares for download: its place below downloads/, its address and its hashes."""
    files = {}
    for name, source in config["sources"].items():
        if "url" not in source:
            continue
        for lang in languages_in(name) if "{lang}" in source["url"] else [None]:
            hashes = {"--sha256": source.get("sha256"), "--git-blob": source.get("git_blob")}
            files[download_of(name, lang)] = {"url": address_of(name, lang)} | {
                option: value.get(lang) if isinstance(value, dict) else value for option, value in hashes.items()
            }
    return files


PUBLISHED = published_files()


def hash_options(wildcards) -> list[str]:
    """Options of download.py for the hashes that are known of a file."""
    options = PUBLISHED[wildcards.file].items()
    return [word for option, value in options if value and option != "url" for word in (option, value)]


def source_file(name: str, lang: str | None = None) -> str:
    """File of a source, on this machine or downloaded."""
    return place_of(name, config["sources"], lang) or f"<results>/downloads/{download_of(name, lang)}"


def prompts_file(lang: str) -> str:
    return source_file(config["data"]["prompts"][lang], lang)


# ---- translate


def from_source(*kinds: str) -> str:
    """Wildcard constraint: the languages that are translated by these kinds of model, or, for no kind, by none."""
    engines = kinds or ("firefox", "packed")
    found = [lang for lang, source in TRANSLATION["source"].items() if (source in engines) == bool(kinds)]
    return "|".join(map(re.escape, found)) or "none"


def taken_file(wildcards) -> str:
    """File of a language's translation: the user's own, or an entry of `sources`."""
    return source_file(TRANSLATION["source"][wildcards.lang], wildcards.lang)


def packed_model(wildcards) -> str:
    return TRANSLATION["packed"].replace("{lang}", wildcards.lang)


def checksums_of(packed: str) -> str:
    """File of the SHA-256 of packed models, beside them."""
    return str(PurePosixPath(packed).with_name("checksums.json"))


def rows_in(lang: str) -> str:
    """Training rows of a language: the seed itself for English."""
    if lang == config["languages"]["train"][0]:
        return "<results>/seed/train.jsonl"
    return f"<results>/translated/{lang}.jsonl"


# ---- recipe


def mixing(wildcards) -> list[str]:
    """Options of recipe.py for how many rows of each language there are. A budget in tokens is kept when rows become
    tokens."""
    mix = RECIPES[wildcards.recipe]
    words = [word for key in ("sampling", "temperature", "others") if key in mix for word in (f"--{key}", mix[key])]
    weights = mix.get("weights", {}).items()
    return words + [word for lang, weight in weights for word in ("--weight", f"{lang}={weight}")]


def drop_flags(wildcards) -> list[str]:
    """Options of recipe.py for the flags whose rows a recipe leaves out: its own list, or the one for all."""
    flags = RECIPES[wildcards.recipe].get("drop_flags", config["recipe"]["drop_flags"])
    return [word for flag in flags for word in ("--drop-flag", flag)]


# ---- base

TOKENIZERS = {family: entry["tokenizer"] for family, entry in config["families"].items()}
CORPUS_LANGUAGES = [*config["languages"]["train"], *UNSEEN]
CORPUS = expand("<results>/corpus/{lang}.txt", lang=CORPUS_LANGUAGES)


def names_with(entries: dict, key: str) -> str:
    """Wildcard constraint: the entries that say `key`; one that matches nothing when none does."""
    return "|".join(re.escape(name) for name, entry in entries.items() if key in entry) or "none"


def family_of(wildcards) -> str:
    return wildcards.get("family") or config["models"][wildcards.model]["family"]


def tokenizer_of(wildcards) -> str:
    """Tokenizer of a model or family: the user's own folder, or the one that is made or fetched."""
    family = family_of(wildcards)
    return TOKENIZERS[family].get("path") or f"<results>/tokenizers/{family}"


def base_of(wildcards) -> str:
    """Base model: the user's own folder, or the one that is made or fetched."""
    return config["models"][wildcards.model].get("path") or f"<results>/bases/{wildcards.model}"


# ---- tokenize


def template_name(method: str) -> str:
    """What the template that a method trains on is called in the path of its tokens."""
    return PurePosixPath(training_template(config, method)).stem


TEMPLATES = {template_name(method): training_template(config, method) for method in METHODS}


def tokens_of(wildcards) -> str:
    """Tokens that a run trains on; methods of one template share them."""
    return f"<results>/tokens/{family_of(wildcards)}/{template_name(wildcards.method)}/{wildcards.recipe}"


def english_tokens(wildcards) -> list[str]:
    """What a recipe takes its number of tokens from, where that is English's."""
    if RECIPES[wildcards.recipe].get("tokens") != "one-language":
        return []
    return ["<results>/tokens/{family}/{template}/mono-en"]


def token_budget(wildcards, input) -> list[str]:
    """Option of tokenize_recipe.py for a recipe's number of tokens, if it has one."""
    budget = RECIPES[wildcards.recipe].get("tokens")
    if input.english:
        return ["--tokens-of", str(input.english)]
    return ["--tokens", budget] if budget else []


# ---- train


def request_of(wildcards) -> dict:
    """Row of `compute` for a method and model: ranks, memory, runtime, ZeRO stage."""
    rows = sorted(config["compute"][wildcards.method], key=lambda row: row["up_to"])
    return next(row for row in rows if row["up_to"] >= config["models"][wildcards.model]["billions"])


def ranks_of_node(wildcards) -> int:
    return min(request_of(wildcards)["ranks"], config["compute"]["node"]["gpus"])


def nodes_of(wildcards) -> int:
    return request_of(wildcards)["ranks"] // ranks_of_node(wildcards)


def methods_like(base: str) -> list[str]:
    """lora or full, and the methods that change some settings of it."""
    return [method for method, entry in METHODS.items() if entry["of"] == base]


def base_method(wildcards) -> str:
    """lora or full, whichever a method is."""
    return METHODS[wildcards.method]["of"]


def adapter_modules(wildcards) -> list[str]:
    """Modules that LoRA adapts: the method's own, or those of the family."""
    own = config["train"][wildcards.method].get("modules")
    return own or config["families"][family_of(wildcards)]["adapter_modules"]


def on_several_nodes() -> str:
    """Wildcard constraint: the models whose full-parameter training takes more than a node."""
    largest = max(row["up_to"] for row in config["compute"]["full"])
    trainable = [name for name, model in config["models"].items() if model["billions"] <= largest]
    names = [name for name in trainable if nodes_of(Run("full", name, "")) > 1]
    return "|".join(map(re.escape, names)) or "none"


def cores_of_node(wildcards) -> int:
    return ranks_of_node(wildcards) * config["compute"]["cpus_per_rank"]


def memory_of_node(wildcards, attempt) -> int:
    """MB of a job on each of its nodes: half as much again at each attempt, up to what a node has."""
    wanted = parse_size(request_of(wildcards)["memory"]) * (1 + attempt) // 2
    return min(wanted, parse_size(config["compute"]["node"]["memory"])) // 10**6


def launcher_of(wildcards) -> list[str]:
    """What goes before train.py: nothing for one process, or what starts one a rank on a free port, on all nodes."""
    ranks, nodes = ranks_of_node(wildcards), nodes_of(wildcards)
    if ranks == 1 and base_method(wildcards) == "lora":
        return []
    return ["workflow/scripts/launch.py", "--ranks", ranks, *(["--nodes", nodes] if nodes > 1 else [])]


def training_settings(wildcards) -> str:
    """The method's hyperparameters, and what the size asks for, as JSON."""
    settings = {"seed": config["random_seed"]} | config["train"][wildcards.method]
    settings.pop("modules", None)
    if base_method(wildcards) == "lora":
        settings["lora"] = {
            key: settings.pop(key) for key in ("rank", "alpha", "dropout", "adapter") if key in settings
        }
    request = request_of(wildcards)
    return json.dumps(
        settings | {key: request[key] for key in ("zero_stage", "offload", "activations") if key in request}
    )


def micro_batch_of(wildcards) -> list[str]:
    """File of the micro-batch that was found for a model, where the config leaves it open. Found again, it is no reason
    to train again: it is a matter of speed."""
    if config["train"][wildcards.method]["micro_batch_tokens"] != "auto":
        return []
    return [ancient(f"<results>/micro_batches/{wildcards.method}/{wildcards.model}.json")]


def memory_of_rank(wildcards) -> int:
    """Bytes of the job's memory for each rank."""
    request = request_of(wildcards)
    return parse_size(request["memory"]) // ranks_of_node(wildcards)


def methods_from(source: str, *bases: str) -> str:
    """Wildcard constraint: the methods whose models are trained, or released; one that matches nothing when none is."""
    like = [method for base in bases or ("lora", "full") for method in methods_like(base)]
    found = [method for method in like if config["train"]["source"][method] == source]
    return "|".join(map(re.escape, found)) or "none"


def released_folder(wildcards) -> str | list:
    """The user's folder of a released model; none where it comes from a repository."""
    return folder_of(config, wildcards.method, wildcards.model, wildcards.recipe) or []


def released_source(wildcards) -> list[str]:
    """Options of fetch_tuned.py: where a model comes from, with its pin, and what it must fit."""
    options = []
    if folder := released_folder(wildcards):
        options += ["--path", folder]
    else:
        repo = repository_of(config, wildcards.method, wildcards.model, wildcards.recipe)
        pin = pin_of(repo, read_registry())
        options += ["--repo", repo, "--revision", pin["revision"]]
        hashes = [f"{file}={value}" for file, value in pin["sha256"].items() if value]
        options += [word for pinned in hashes for word in ("--sha256", pinned)]
    if wildcards.method == "lora":
        options += ["--adapter-modules", *config["families"][family_of(wildcards)]["adapter_modules"]]
        if "repo" in config["models"][wildcards.model]:
            options += ["--base-repo", config["models"][wildcards.model]["repo"]]
    return options


def inputs_at_start() -> list[str]:
    """What the jobs of this start read."""
    return [str(path) for job in workflow.dag.needrun_jobs() for path in job.input]


def asked_of_slurm() -> list[tuple[str, dict]]:
    """The rule of each job that Slurm will get, and what it asks for at its first attempt; none without Slurm. Jobs of a
    group run side by side."""
    if workflow.executor_plugin.name != "slurm":
        return []
    jobs = [job for job in workflow.dag.needrun_jobs() if not job.is_local]
    count = Counter(job.rule.name for job in jobs)
    asked = []
    for job in jobs:
        together = min(workflow.group_settings.group_components.get(job.group, 1), count[job.rule.name])
        wanted = {"threads": job.threads} | dict(job.resources.items())
        summed = {key: together * wanted[key] for key in ("threads", "mem_mb") if isinstance(wanted.get(key), int)}
        asked.append((job.rule.name, wanted | summed))
    return asked


def keys_wanted() -> dict[str, str]:
    """The variables that hold the keys of the judges that will be called, each with a judge's name."""
    called = {
        job.wildcards.judge
        for job in workflow.dag.needrun_jobs()
        if job.rule.name.startswith("judge") and "judge" in job.wildcards_dict
    }
    return {JUDGES[name].get("key_env", KEY_VARIABLE): name for name in sorted(called) if "serve" not in JUDGES[name]}


def gpus(count: int) -> int:
    return count if config["compute"]["accelerator"] == "gpu" else 0


# ---- respond


def languages_of(wildcards) -> list[str]:
    run = Run(wildcards.method, wildcards.model, wildcards.recipe)
    if run not in RUNS:
        sys.exit(
            f"error: {run.path()} is shown by no figure that is drawn, so nothing says which languages it answers; add its"
            " model or recipe to one (figures.<name>.runs, series; draw)"
        )
    return RUNS[run]


def is_merged(wildcards) -> bool:
    """Whether answers come from an engine that takes whole models only, so that an adapter is merged into its base."""
    return base_method(wildcards) == "lora" and bool(config["respond"][wildcards.method].get("serve"))


def answering_weights(wildcards) -> str:
    kind = "merged" if is_merged(wildcards) else "models"
    return f"<results>/{kind}/{wildcards.method}/{wildcards.model}/{wildcards.recipe}"


def responding_settings(wildcards) -> str:
    """How a method decodes, as JSON; its template is a file, and an input."""
    settings = {key: value for key, value in config["respond"][wildcards.method].items() if key != "template"}
    return json.dumps(settings | secrets(settings))


def secrets(settings: dict) -> dict[str, list[str]]:
    """Of what a job may serve: the variables that its server is not to have, the keys of all judges."""
    if not settings.get("serve"):
        return {}
    return {"secrets": sorted({judge.get("key_env", KEY_VARIABLE) for judge in JUDGES.values()})}


# ---- judge


def judge_settings(wildcards) -> str:
    """What a judge is asked, as JSON; what it is called in figures, and what its job gets, does not matter to it."""
    described = {"label", "files", "gpus", "memory", "runtime"}
    settings = {key: value for key, value in JUDGES[wildcards.judge].items() if key not in described}
    return json.dumps(settings | secrets(settings))


def judging(wildcards) -> int:
    """Whether a judge's jobs share limits or a budget, and so come one after another."""
    judge = JUDGES[wildcards.judge]
    return 0 if "serve" in judge or (judge.get("api") == "batch" and "budget" not in judge) else 1


# ---- langid


LANGUAGE_TABLE = ancient("resources/languages.yaml")  # a new language is no reason to run again; other labels are


def labels_in(languages: list[str]) -> dict[str, list[str]]:
    """What of the table matters to a job: a parameter, so that a change of it runs the job again."""
    return {lang: LANGUAGES[lang]["labels"] for lang in languages}


def identifier_file() -> str:
    if "trained_on" in config["sources"][config["data"]["identifier"]]:
        return "<results>/identifier.bin"
    return source_file(config["data"]["identifier"])


# ---- score


def score_of(run: Run, judge: str) -> str:
    return f"<results>/scores/{judge}/{run.path()}.parquet"


# ---- figures

FIRST_JUDGE = config["judges"][0]
FONTS = sorted(str(path) for path in Path("resources/fonts").glob("*.ttf"))
DRAWN = [".pdf", ".png", ".csv", ".json", "-column.pdf", "-column.png"]  # the files of a figure


def label_of(series: str) -> str:
    """What a series is called in figures."""
    return RECIPES.get(series, {}).get("label") or (SERIES[series].label if series in SERIES else series)


def labels_of(series: list[str]) -> dict[str, str]:
    return {name: label_of(name) for name in series}


def budget_runs() -> dict[str, dict[str, list[str]]]:
    """What the figure of budgets shows, by method and model: the series that answer every language trained on in some
    figure, measured or not."""
    asked: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for content in config["figures"].values():
        for method, models in methods_shown(config, content).items():
            for model in models:
                asked.setdefault((method, model), set()).update(points_of(config, content))
    runs: dict[str, dict[str, list[str]]] = {}
    for (method, model), points in asked.items():
        series = dict.fromkeys([*SERIES, *config["recipes"]])
        if tuned := [name for name in series if all((recipe_of(name, lang), lang) in points for lang in SEEN)]:
            runs.setdefault(method, {})[model] = tuned
    return runs


BUDGET_RUNS = budget_runs()
FIGURE_FILES = [
    *expand("<results>/figures/figure{number}{kind}", number=FIGURES, kind=DRAWN),
    *expand("<results>/figures/budget{kind}", kind=DRAWN if BUDGET_RUNS else []),
]
TABLES = ["table1", "table2", "scores", "languages", "costs"]
TABLE_FILES = [
    *expand("<results>/tables/{table}.{kind}", table=TABLES, kind=["md", "csv"]),
    "<results>/tables/scores.tex",
]
JUDGE_FILES = expand("<results>/judges.{kind}", kind=["md", "csv"])
CLAIM_FILES = expand("<results>/claims.{kind}", kind=["md", "csv"])


def made_with(config: dict) -> dict:
    """The configuration without what nothing is made from: a plan that assumes something else draws no figure again."""
    return json.loads(json.dumps({key: value for key, value in config.items() if key != "plan"}))


# ---- report

PAGES = {  # category and title in the report
    "claims": ("Claims", "Claims of the paper"),
    "table1": ("Tables", "Table 1: hyperparameters"),
    "table2": ("Tables", "Table 2: answers in the wrong language that were rated highly"),
    "scores": ("Tables", "Scores of all runs"),
    "languages": ("Tables", "Languages of the answers"),
    "judges": ("Tables", "Judges"),
    "costs": ("Costs", "Trainings"),
}
PAGE_FILES = expand("<results>/pages/{page}.html", page=PAGES)


def markdown_of(page: str) -> str:
    return f"<results>/tables/{page}.md" if page in TABLES else f"<results>/{page}.md"


def artifacts_of(figure: str) -> list[str]:
    """A figure's files, and those of the runs that it shows, stage by stage."""
    runs = [run.path() for run in runs_of(figure)]
    return [
        *expand("<results>/models/{run}", run=runs),
        *expand("<results>/responses/{run}.jsonl", run=runs),
        *expand("<results>/ratings/{judge}/{run}.jsonl", judge=FIRST_JUDGE["name"], run=runs),
        *expand("<results>/langid/{run}.jsonl", run=runs),
        *expand("<results>/figures/{figure}{kind}", figure=figure, kind=DRAWN),
    ]


def shown_scores(wildcards) -> list[str]:
    return [score_of(run, FIRST_JUDGE["name"]) for run in runs_of(f"figure{wildcards.number}")]


UNCERTAINTY = config["uncertainty"] | {"seed": config["random_seed"]}
METHOD_LABELS = {method: entry["label"] for method, entry in METHODS.items()}
METHOD_NAMES = METHOD_LABELS | {"full": "full-parameter"}  # within a sentence
SWEPT = {"first": "number of training languages", "others": "rows in other languages", "seed": "random seed"}
TITLES = {
    "size": "{methods} fine-tuning on {families} at different sizes",
    "unseen": "{methods} fine-tuning on {families} at different sizes, tested on unseen languages",
    "consistency": "Score lost to language identification: {methods} fine-tuning on {families}",
    "family": "{methods} fine-tuning on models of several families",
    "sweep": "{methods} fine-tuning on {families}, by {swept}",
}


def swept_by(content: dict) -> dict | None:
    """What a figure of kind sweep goes through, by value the recipe or method; None for other kinds."""
    if content["kind"] != "sweep":
        return None
    sweep = config["sweeps"][content["sweep"]]
    key = SWEPT.get(sweep.key, sweep.key.replace("_", " "))
    members = [[value, name] for value, name in sweep.members.items()]
    return {"name": key, "of": sweep.of or "recipes", "members": members}


def title_of(content: dict, labels: list[str]) -> str:
    """A figure's title, in the words of the paper's captions."""
    methods = " and ".join(METHOD_NAMES[method] for method in content["runs"])
    swept = (swept_by(content) or {}).get("name")
    title = TITLES[content["kind"]].format(methods=methods, families=" and ".join(dict.fromkeys(labels)), swept=swept)
    return title[0].upper() + title[1:]


def described(model: str) -> dict:
    """What a figure says of a model."""
    entry = config["models"][model]
    return {
        "family": entry["family"],
        "label": config["families"][entry["family"]]["label"],
        "billions": entry["billions"],
    }


def figure_settings(wildcards) -> str:
    """What a figure shows, as JSON."""
    content = config["figures"][f"figure{wildcards.number}"]
    runs = {method: selected_models(config, selections) for method, selections in content["runs"].items()}
    shown = selected_models(config, [name for names in content["runs"].values() for name in names])
    models = {model: described(model) for model in shown}
    panels = UNSEEN if content["kind"] == "unseen" else SEEN
    settings = {
        "number": int(wildcards.number),
        "kind": content["kind"],
        "title": title_of(content, [entry["label"] for entry in models.values()]),
        "runs": runs,
        "models": models,
        "languages": {lang: LANGUAGE_NAMES[lang] for lang in panels},
        "own": {lang: LANGUAGES[lang]["own"] for lang in panels if "own" in LANGUAGES[lang]},
        "panels": panels,
        "methods": METHOD_LABELS,
        "maximum": 3 * config["data"]["prompts_expected"],
        "uncertainty": UNCERTAINTY,
        "judge": FIRST_JUDGE["label"],
        "note": config["note"],
    }
    if content["kind"] == "sweep":
        settings["sweep"] = swept_by(content)
    if "series" in content:
        settings |= {"series": content["series"], "labels": labels_of(content["series"])}
    return json.dumps(settings)


def budget_selection() -> str:
    """What the figure of budgets shows, as JSON."""
    selection = {
        "runs": BUDGET_RUNS,
        "models": {model: described(model) for models in BUDGET_RUNS.values() for model in models},
        "methods": METHOD_LABELS,
        "labels": labels_of(
            list(dict.fromkeys(name for tuned in BUDGET_RUNS.values() for names in tuned.values() for name in names))
        ),
        "langs": SEEN,
        "prompts": config["data"]["prompts_expected"],
        "uncertainty": UNCERTAINTY,
        "judge": {key: FIRST_JUDGE[key] for key in ("name", "label")},
        "note": config["note"],
    }
    return json.dumps(selection)


def claims_selection() -> str:
    """What the claims are about, as JSON: every figure's models, measured or not."""
    selection = {
        "figures": {figure: methods_shown(config, content) for figure, content in config["figures"].items()},
        "models": {
            model: {key: entry[key] for key in ("family", "billions")} for model, entry in config["models"].items()
        },
        "languages": {"seen": SEEN, "unseen": UNSEEN},
        "names": {lang: LANGUAGE_NAMES[lang] for lang in TESTED},
        "prompts": config["data"]["prompts_expected"],
        "uncertainty": UNCERTAINTY,
    }
    return json.dumps(selection)


def table1_settings() -> str:
    """Hyperparameters as they will be used, for the families that are selected, as JSON."""
    families = dict.fromkeys(config["models"][run.model]["family"] for run in RUNS)
    modules = {
        config["families"][family]["label"]: config["families"][family]["adapter_modules"] for family in families
    }
    settings = {"lora": {"modules": modules} | config["train"]["lora"], "full": config["train"]["full"]}
    for method in dict.fromkeys(run.method for run in RUNS if run.method not in settings):
        settings[method] = {"label": METHOD_LABELS[method], "like": METHODS[method]["of"]} | config["train"][method]
    return json.dumps(settings)
