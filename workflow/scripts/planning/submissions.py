"""Whether Slurm would accept the jobs of a run, asked before the first: the only module that knows the executor plugin.

Without this, a wrong account or partition fills a page for every job and every attempt (plugin 2.8.0). What is tested
is the command that the plugin will send.

It has no public way to ask for that. What its executor does before it submits a job is done here in the
same order, with the executor that is about to do it, so that whatever a profile, a rule or the command line sets
(QoS, gres, reservation, clusters, further options) is in the command.
"""

import getpass
import re
import shutil
import subprocess
from collections.abc import Iterable
from typing import Any, NamedTuple

from basics.errors import InputError, exit_in_one_line

UNKNOWN = "<TBD>"  # what Snakemake has for a resource that depends on a file which does not exist yet
OF_FILES = ("tmpdir", "disk")  # resources of which Slurm is not told

REMEDIES = {  # by a part of what sbatch reports; the first match counts
    "account": "set SLURM_ACCOUNT, or account in profiles/slurm/site.yaml; `sacctmgr show associations user=$USER`"
    " lists yours",
    "partition": "set SLURM_CPU_PARTITION and SLURM_GPU_PARTITION; `sinfo -s` lists those of the cluster",
    "node configuration": "no node has that much: see compute.node, and `ranks` and `memory` of the model's row in"
    " compute; `sinfo -N -o '%N %P %c %m %G'` lists the nodes",
    "time limit": "see `runtime` of the model's row in compute, or in the profile; `sinfo -s` lists limits",
    "qos": "set qos or gpu_qos in profiles/slurm/site.yaml; `sacctmgr show associations user=$USER` lists yours",
    "feature": "set SLURM_GPU_CONSTRAINT to one that `sinfo -o '%P %f'` lists, or leave it empty",
}


class Submission(NamedTuple):
    """A kind of job: the name of a rule or group, and the sbatch command, without what it is to run."""

    name: str
    command: str


def submissions_of(workflow: Any) -> list[Submission]:
    """One submission for each kind of job that a starting workflow (Snakemake's own object) will send to Slurm.

    Jobs that ask for the same resources are of one kind. Jobs whose resources are not known yet are left out.

    Raises:
        InputError: if the plugin refuses a job, as for an account that is not the user's.
    """
    from snakemake_interface_common.exceptions import WorkflowError

    found: dict[str, Submission] = {}
    try:
        for job in _kinds(workflow.dag):
            command = _command(job, workflow)
            if UNKNOWN not in command:
                found.setdefault(command, Submission(job.name, command))
    except WorkflowError as error:
        reason = " ".join(line.strip() for line in str(error).splitlines())
        raise InputError(f"the plugin would not submit a job: {reason}{_remedy(reason)}") from None
    return list(found.values())


def check_slurm(submissions: Iterable[Submission]) -> None:
    """Let Slurm test, without submitting anything, each kind of job.

    Raises:
        InputError: for the first kind that Slurm would refuse, with its reason; or if there is no sbatch.
    """
    if not shutil.which("sbatch"):
        raise InputError("sbatch: not on the PATH; run this where jobs are submitted, on the login node")
    for name, command in submissions:
        # By a shell, as the plugin does it: further options may name variables.
        answer = subprocess.run(f"{command} --test-only --wrap=true", shell=True, capture_output=True, text=True)
        if answer.returncode:
            asked = command.split("--comment test", 1)[-1].strip()
            reason = "; ".join(line.split(":", 1)[-1].strip() for line in answer.stderr.splitlines())
            raise InputError(
                f"Slurm would refuse a job of {name} ({asked}): {reason or 'no reason given'}{_remedy(reason)};"
                " if Slurm only refuses to test it, check_submissions: skip starts without asking"
            )


def check_number(submissions: Iterable[Submission], jobs: int) -> None:
    """Ask Slurm's database how many jobs this user may have submitted. A refused submission counts as an attempt, so
    that all attempts of a job might be over within seconds.

    Raises:
        InputError: if that is less than `jobs`, the number that Snakemake submits at a time.
    """
    for limit in submission_limits(submissions):
        if limit.jobs < jobs:
            raise InputError(
                f"Slurm lets you have {limit.jobs} jobs submitted at a time ({limit.name}), and this run may submit"
                f" {jobs}: add --jobs {limit.jobs}, or less if you submit others meanwhile"
            )


class Limit(NamedTuple):
    """How many jobs may be submitted at a time, and what says so."""

    jobs: int
    name: str


def submission_limits(submissions: Iterable[Submission]) -> list[Limit]:
    """The limits of the accounts and QoS of the submissions; none without a database, which Slurm needs for limits."""
    commands = [submission.command for submission in submissions]
    accounts = {name for command in commands for name in re.findall(r" -A (\S+)", command)}
    wanted = {name for command in commands for name in re.findall(r" --qos[= ](\S+)", command)}
    found = []
    for account, default, *limits in _database("associations", "Account,DefaultQOS,MaxSubmitJobs,GrpSubmitJobs"):
        if account in accounts:
            found += _limits(f"account {account}", ("MaxSubmitJobs", "GrpSubmitJobs"), limits)
            wanted.add(default)
    names = ("MaxSubmitJobsPerUser", "MaxSubmitJobsPerAccount", "GrpSubmitJobs")
    for qos, *limits in _database("qos", "Name,MaxSubmitJobsPerUser,MaxSubmitJobsPerAccount,GrpSubmitJobs"):
        if qos in wanted:
            found += _limits(f"QoS {qos}", names, limits)
    return sorted(found)


def _database(what: str, fields: str) -> list[list[str]]:
    """The fields of this user's associations, or of all QoS, a list for each; none where there is no database."""
    if not shutil.which("sacctmgr"):
        return []
    whose = [f"user={getpass.getuser()}"] if what == "associations" else []
    asked = ["sacctmgr", "--noheader", "--parsable2", "show", what, *whose, f"format={fields}"]
    answer = subprocess.run(asked, capture_output=True, text=True)
    return [line.split("|") for line in answer.stdout.splitlines()] if not answer.returncode else []


def _limits(whose: str, names: Iterable[str], values: Iterable[str]) -> list[Limit]:
    return [Limit(int(value), f"{name} of {whose}") for name, value in zip(names, values, strict=True) if value]


@exit_in_one_line()
def check_submissions_or_exit(workflow: Any) -> None:
    """Let Slurm test each kind of job that a starting workflow will submit, and exit with one line on a fault."""
    submissions = submissions_of(workflow)
    check_slurm(submissions)
    check_number(submissions, workflow.resource_settings.nodes)


def _remedy(reason: str) -> str:
    return next((f": {remedy}" for part, remedy in REMEDIES.items() if part in reason.lower()), "")


def _kinds(dag: Any) -> Iterable[Any]:
    """One job, or group in the place of its jobs, of each set of resources among those that are to run on the cluster.

    What was found out about resources is forgotten: some depend on inputs that are not there yet.
    """
    kinds: dict[str, Any] = {}
    for job in dict.fromkeys(dag.get_job_group(job) or job for job in dag.needrun_jobs()):
        if not job.is_local:
            asked = [(name, str(value)) for name, value in job.resources.items() if not name.startswith(OF_FILES)]
            kinds.setdefault(repr(sorted(asked)), job)
            job.attempt = job.attempt
    return kinds.values()


def _command(job: Any, workflow: Any) -> str:
    """As in the plugin's Executor.run_job, but for the name, comment and log of the job."""
    from snakemake_executor_plugin_slurm.submit_string import get_submit_command
    from snakemake_executor_plugin_slurm.utils import set_gres_string
    from snakemake_executor_plugin_slurm.validation import validate_slurm_extra

    executor = workflow.scheduler._executor
    validate_slurm_extra(job)
    named = {"run_uuid": "test", "slurm_logfile": "/dev/null", "comment_str": "test", "workdir": workflow.workdir_init}
    named |= {"account": next(executor.get_account_arg(job)), "partition": executor.get_partition_arg(job)}
    return get_submit_command(job, named, settings=workflow.executor_settings) + set_gres_string(job)
