"""The jobs that Snakemake sees for a target, done and left.

Only this module, `submissions` and `progress` know its API. Snakemake 9 passes its DAG only to a printer or an
executor, so it is taken from its internals, built the way that `snakemake --summary` does: no job is run, no lock is
taken, no log is written.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from basics.errors import InputError

UNBOUND = 10**6  # cores: so many that jobs get all the threads they ask for, whatever this machine has


@dataclass(frozen=True)
class Job:
    """A job of the DAG."""

    rule: str
    stage: str  # the file of workflow/rules/ with its rule, without suffix; Snakefile for targets
    wildcards: Mapping[str, str]
    inputs: Mapping[str, Sequence[str]]  # by name; unnamed ones are left out
    outputs: Sequence[str]
    logs: Sequence[str]
    params: Mapping[str, Any]
    resources: Mapping[str, Any]  # at the first attempt: mem_mb, runtime (minutes), gpu, nodes, judging, ...
    threads: int
    left: bool  # whether Snakemake would run it
    local: bool  # whether it runs where Snakemake does, or does nothing
    begun: frozenset[str]  # outputs that Snakemake has marked as incomplete
    submitted: frozenset[str]  # ids of its submissions to a cluster
    benchmark: str | None  # what Snakemake writes when the job has succeeded
    needs: list["Job"] = field(default_factory=list, compare=False, repr=False)

    def __hash__(self) -> int:
        return hash((self.rule, *self.outputs, *self.wildcards.items()))

    @property
    def run(self) -> tuple[str, ...]:
        """Method, model and recipe of a job that belongs to one tuned model; empty for others."""
        coordinates = ("method", "model", "recipe")
        return tuple(self.wildcards[name] for name in coordinates) if self.wildcards.keys() >= {*coordinates} else ()

    @property
    def output(self) -> str:
        """The first of its outputs; for a target, its rule."""
        return self.outputs[0] if self.outputs else self.rule


@dataclass(frozen=True)
class Workflow:
    """The merged configuration, the stages in the order of the Snakefile, and the jobs in an order that can be run."""

    config: Mapping
    stages: Sequence[str]
    jobs: Sequence[Job]
    locked: bool  # whether a Snakemake, running or killed, holds its lock on the folder


class Call(NamedTuple):
    """How jobs call a judge: its settings as JSON, the template of its prompts, the folder of its journals."""

    judge: str
    template: str
    journals: str


def calls_left(workflow: Workflow) -> set[Call]:
    """How the jobs that are left call judges."""
    return {
        Call(job.params["judge"], job.inputs["template"][0], job.params["journals"])
        for job in workflow.jobs
        if job.left and _rates(job.rule, job.wildcards)
    }


def read_workflow(
    targets: Iterable[str] = (), configfiles: Iterable[Path] = (), config: Mapping[str, Any] | None = None
) -> Workflow:
    """Ask Snakemake, in the current folder, for the jobs of `targets` (default: the default target).

    Raises:
        InputError: if Snakemake refuses, as for a target that no rule makes or a missing input.
        SystemExit: with the one line of the Snakefile's own checks, for a bad configuration.
    """
    import logging

    from snakemake.api import SnakemakeApi
    from snakemake.exceptions import RuleException, WorkflowError
    from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings
    from snakemake_interface_common.exceptions import ApiError

    output = OutputSettings(dryrun=True, log_level_override=logging.ERROR, enable_file_logging=False)
    try:
        with SnakemakeApi(output) as api:
            asked = api.workflow(
                resource_settings=ResourceSettings(cores=UNBOUND),
                config_settings=ConfigSettings(config=dict(config or {}), configfiles=list(configfiles)),
            )
            # Incomplete output is made again, as with rerun-incomplete in the profiles.
            dag = asked.dag(DAGSettings(targets=frozenset(targets), force_incomplete=True))
            workflow = dag.workflow_api._workflow
            workflow._prepare_dag(forceall=False, ignore_incomplete=False, lock_warn_only=True, nolock=True)
            workflow._build_dag()
            return workflow_to_run(workflow)[0]
    except (WorkflowError, RuleException, ApiError) as error:
        raise InputError(_on_one_line(error)) from None


def workflow_to_run(workflow) -> tuple[Workflow, dict[int, Job]]:
    """Snakemake's own object with its DAG as our `Workflow`, and the jobs that are left by Snakemake's numbers."""
    stages = dict.fromkeys(_stage_of(rule) for rule in workflow.rules)
    locked = any(True for _ in workflow.persistence._read_locks())
    jobs = _jobs_of(workflow)
    left = {workflow.dag.jobid(job): ours for job, ours in jobs.items() if ours.left}
    return Workflow(workflow.config, list(stages), list(jobs.values()), locked), left


def _on_one_line(error: Exception) -> str:
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip()) or type(error).__name__


def _stage_of(rule) -> str:
    return Path(str(rule.snakefile)).stem


def _jobs_of(workflow) -> dict[Any, Job]:
    dag, persistence = workflow.dag, workflow.persistence
    jobs: dict[Any, Job] = {}
    for level in dag.toposorted():
        for job in sorted(level, key=lambda job: (job.rule.name, sorted(job.wildcards_dict.items()))):
            keys = [str(file) for file in job.output]
            begun = frozenset(persistence._filter_incomplete_keys(keys))
            jobs[job] = Job(
                rule=job.rule.name,
                stage=_stage_of(job.rule),
                wildcards=dict(job.wildcards_dict),
                inputs={name: _path_list(files) for name, files in job.input.items()},
                outputs=keys,
                logs=[str(file) for file in job.log],
                params=dict(job.params.items()),
                resources=dict(job.resources.items()),
                threads=job.threads,
                left=dag.needrun(job),
                local=job.rule.norun or job.rule.name in workflow._localrules,
                begun=begun,
                submitted=frozenset(map(str, persistence.external_jobids(job))) if begun else frozenset(),
                benchmark=str(job.benchmark) if job.benchmark else None,
                needs=[jobs[needed] for needed in dag.dependencies[job]],
            )
    return jobs


def _rates(rule: str, wildcards: Mapping) -> bool:
    """Whether a job of this rule asks a judge for ratings."""
    return rule.startswith("judge") and "judge" in wildcards


def _path_list(files: str | Iterable[object]) -> list[str]:
    return [files] if isinstance(files, str) else [str(file) for file in files]


# ---- for a workflow that starts: `jobs` are Snakemake's own objects, of the jobs that it is about to run


def inputs_of(jobs: Iterable) -> list[str]:
    """The inputs of the jobs."""
    return [str(path) for job in jobs for path in job.input]


def logs_of(jobs: Iterable) -> list[str]:
    """The logs of the jobs."""
    return [str(path) for job in jobs for path in job.log]


def judges_called(jobs: Iterable) -> set[str]:
    """Names of the judges that the jobs ask for ratings."""
    return {job.wildcards.judge for job in jobs if _rates(job.rule.name, job.wildcards_dict)}


def calls_of(jobs: Iterable) -> set[Call]:
    """How the jobs call judges."""
    return {
        Call(job.params.judge, str(job.input.template), job.params.journals)
        for job in jobs
        if _rates(job.rule.name, job.wildcards_dict)
    }


def models_trained_again(jobs: Iterable, reason_of: Callable) -> list[str]:
    """Folders of finished models that are trained again only because a job before their training runs again.

    `reason_of` gives Snakemake's reason for a job. Whether the data come out the same is known only when that job ends.
    """
    return [
        str(job.output[0])
        for job in jobs
        if job.rule.name in ("train", "train_on_nodes")
        and reason_of(job).updated_input_run
        and Path(str(job.output[0])).exists()
    ]
