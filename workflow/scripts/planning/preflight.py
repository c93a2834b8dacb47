"""The page of the preflight: what was found out about each kind of job, and what is to be done."""

import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from basics.errors import InputError, exit_in_one_line
from basics.kinds import fields_fault
from basics.settings import read_object
from basics.writing import write_text
from planning import estimates
from planning.findings import findings_of
from reporting.costs import short_number
from reporting.markdown import ABSENT, escape_markdown, markdown_table

ABOUT = {"results": str, "kinds": dict, "downloads": list, "assumed": dict, "needed": dict, "parameters": dict}
GIB, GB = 2**30, 1e9
NOT_RUN = "has not been tried: a job before it has failed, or it was not submitted; see above, or its log"
READING = """\
*Measured* is by the programs of the run, on rows of full length: tokens/s of all ranks, and their share of the peak \
(MFU); GiB of a device at its fullest; all-reduce by bus bandwidth. *Assumed* is what the configuration says (`plan`). \
`make plan` uses what is measured here, and names the rows of `compute` with too much time or too little."""


class Kind(NamedTuple):
    """A kind of job: its path, what it asks for in words, and what was found out; None if it did not begin."""

    name: str
    asks: str
    found: Mapping[str, Any] | None

    @property
    def is_ok(self) -> bool:
        return self.found is not None and self.found["ok"]

    @property
    def line(self) -> str:
        """What is wrong with it."""
        return self.found["line"] if self.found else NOT_RUN


def read_kinds(about: Mapping) -> list[Kind]:
    """All kinds, with what was found out about them."""
    folder = Path(about["results"]) / "preflight"
    return [Kind(name, asks, findings_of(folder / f"{name}.json")) for name, asks in about["kinds"].items()]


# ---- what was measured, beside what was assumed


def measured_and_assumed(kind: Kind, about: Mapping) -> tuple[str, str]:
    """Both in words, with what there is."""
    if kind.found is None:
        return ABSENT, ABSENT
    describe = {
        "train": _training,
        "respond": _training,
        "translate": _translation,
        "judge": _judge,
        "identify": _identifier,
    }
    measured, assumed = describe[kind.name.partition("/")[0]](kind, kind.found["measured"], about)
    return "; ".join(measured) or ABSENT, "; ".join(assumed) or ABSENT


def _training(kind: Kind, m: Mapping, about: Mapping) -> tuple[list[str], list[str]]:
    plan, measured, assumed = about["assumed"], [], []
    if "tokens_per_second" in m:
        mfu = f" ({m['mfu']:.0%} of peak)" if m["mfu"] else ""
        measured.append(f"{short_number(m['tokens_per_second'])} tokens/s{mfu}")
        rate = estimates.device_rate(plan["device"], plan["flops"], plan["mfu"])
        tokens = rate * m["ranks"] / estimates.full_training_flops(about["parameters"][kind.name.split("/")[2]], 1)
        assumed.append(f"{short_number(tokens)} tokens/s ({plan['device']}, {plan['mfu']:.0%})")
        limit = f" of {m['memory'] / GIB:.0f}" if m["memory"] else ""
        measured.append(
            f"{m['peak_memory'] / GIB:.1f}{limit} GiB with {m['micro_batch_tokens']:,} tokens a micro-batch"
        )
    if "start_up" in m:
        measured.append(f"{m['start_up']:.0f} s besides")
        assumed.append(f"{plan['start_up']:.0f} s besides")
    if "checkpoint" in m:
        measured.append(f"checkpoint {m['checkpoint']:.0f} s after the signal")
        assumed.append(f"within {estimates.WARNING} s")
    if "answers_per_second" in m:
        measured.append(f"{short_number(m['answers_per_second'])} answers/s")
        assumed.append(f"{short_number(plan['answers_per_second'])} answers/s")
    if m.get("all_reduce"):
        reduced = m["all_reduce"]
        measured.append(f"{reduced['backend']} {short_number(reduced['gb_per_second'])} GB/s")
    if "read" in m:
        measured.append(f"weights at {short_number(m['read']['gb_per_second'])} GB/s")
    return measured, assumed


def _translation(kind: Kind, m: Mapping, about: Mapping) -> tuple[list[str], list[str]]:
    if "rows_per_second" not in m:
        return [], []
    assumed = short_number(about["assumed"]["translated_rows_per_second"])
    return [f"{short_number(m['rows_per_second'])} rows/s a core"], [f"{assumed} rows/s a core"]


def _judge(kind: Kind, m: Mapping, about: Mapping) -> tuple[list[str], list[str]]:
    if "seconds" not in m:
        return [], []
    started = [f"server up in {m['start_up']:.0f} s"] if m.get("start_up") is not None else []
    measured = [*started, f"a call in {short_number(m['seconds'])} s, rating {m['rating']}"]
    return measured, [f"a call in {short_number(about['assumed']['judge']['seconds'])} s"]


def _identifier(kind: Kind, m: Mapping, about: Mapping) -> tuple[list[str], list[str]]:
    if "right" not in m:
        return [], []
    return [f"{m['right']} of {m['lines']} lines right; {m['peak_memory'] / GIB:.1f} GiB"], []


# ---- disks and downloads


def room_faults(about: Mapping, kinds: Iterable[Kind]) -> list[str]:
    """What is wrong with the room for results, in lines."""
    results = Path(about["results"])
    free, wanted = shutil.disk_usage(results).free, about["needed"]["bytes"]
    if free >= wanted:
        return []
    return [
        f"{results}: {free / GB:,.0f} GB are free, but tuned models and the checkpoints of a training take"
        f" {wanted / GB:,.0f}; make room, or put results on another disk"
    ]


def download_faults(about: Mapping, kinds: Iterable[Kind]) -> list[str]:
    """What is wrong with downloads that are still to be made, in lines."""
    absent = [path for path in about["downloads"] if not Path(path).exists()]
    nodes = {
        kind.found["node"]["name"]: [
            host for host, is_reached in kind.found["node"]["reached"].items() if not is_reached
        ]
        for kind in kinds
        if kind.found and kind.found["node"]
    }
    cut_off = {node: hosts for node, hosts in nodes.items() if hosts}
    if not absent or not cut_off:
        return []
    node, hosts = next(iter(cut_off.items()))
    return [
        f"{absent[0]}{f' and {len(absent) - 1} more' if len(absent) > 1 else ''}: still to be downloaded, and"
        f" {node} does not reach {', '.join(hosts)}; make all_downloads where there is a network"
    ]


# ---- the page


def node_rows(kinds: Iterable[Kind]) -> list[dict[str, str]]:
    """The nodes on which jobs ran, for a reader."""
    rows: dict[str, dict[str, str]] = {}
    for kind in kinds:
        node = kind.found["node"] if kind.found else {}
        if not node:
            continue
        m = kind.found["measured"] if kind.found else {}
        gpu = f"{m['device']}, driver {m['driver'] or 'unknown'}, torch for {m['build']}" if m.get("memory") else ""
        row = rows.setdefault(
            node["name"],
            {"node": node["name"], "processor": node["processor"] or ABSENT, "GPU": ABSENT}
            | {"free for results": _room(node["results"])}
            | {"free for temporary files": f"{_room(node['temporary'])} ({node['temporary']['folder']})"}
            | {"reaches": _reaches(node["reached"])},
        )
        row["GPU"] = gpu or row["GPU"]
    return list(rows.values())


def _room(room: Mapping) -> str:
    files = "" if room["files"] is None else f", {short_number(room['files'])} files"
    return f"{short_number(room['bytes'])}B{files}"


def _reaches(reached: Mapping[str, bool]) -> str:
    if not reached:
        return "nothing is asked"
    return ", ".join(host if is_reached else f"not {host}" for host, is_reached in reached.items())


def page_of(about: Mapping) -> tuple[str, list[str]]:
    """The page, in Markdown, and a line for each fault."""
    kinds = read_kinds(about)
    faults = [f"{kind.name}: {kind.line}" for kind in kinds if not kind.is_ok]
    faults += room_faults(about, kinds) + download_faults(about, kinds)
    rows = []
    for kind in kinds:
        measured, assumed = measured_and_assumed(kind, about)
        took = sum(kind.found["seconds"].values()) if kind.found else 0
        rows.append(
            {"kind": kind.name, "asks for": kind.asks, "": "ok" if kind.is_ok else "not ok"}
            | {"measured": measured, "assumed": assumed, "took": f"{took:.0f} s" if took else ABSENT}
        )
    experiment = Path(about["results"]).name
    verdict = f"{sum(kind.is_ok for kind in kinds)} of {len(kinds)} kinds of job of {experiment} are ok."
    parts = [f"# Preflight of {experiment}", verdict]
    if faults:
        parts += ["## To do", "\n".join(f"- {escape_markdown(fault)}" for fault in faults)]
    parts += ["## Kinds of job", markdown_table(rows, ("took",)), READING]
    if nodes := node_rows(kinds):
        parts += ["## Nodes", markdown_table(nodes)]
    return "\n\n".join(parts) + "\n", faults


def read_about(argument: str) -> dict[str, Any]:
    """What the page is about, from JSON or a file. Raises InputError naming what is missing."""
    about = read_object(argument)
    if fault := fields_fault(about, ABOUT):
        raise InputError(f"--about: {fault}; see --help")
    return about


def write_page(about: Mapping) -> list[str]:
    """Write the page and print it; return a line for each fault, be it that a disk has no room for the page."""
    text, faults = page_of(about)
    sys.stdout.write(text)
    sys.stdout.flush()
    path = Path(about["results"]) / "preflight.md"
    try:
        write_text(path, text)
    except OSError as error:
        return [*faults, f"{path}: cannot be written ({error.strerror}); make room"]
    print(path, file=sys.stderr)
    return faults


@exit_in_one_line()
def report_failure(jobs: Iterable, about: str) -> None:
    """For a workflow that has failed, whose `jobs` are Snakemake's own: the page, if it is a preflight whose page no
    job has made, as some findings are missing."""
    known = read_about(about)
    folder = Path(known["results"]) / "preflight"
    asked = any(job.rule.name == "preflight" for job in jobs)
    if asked and not all((folder / f"{name}.json").exists() for name in known["kinds"]):
        write_page(known)
