"""What a profile says of the jobs that it submits: which share a submission, and how often each is tried."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from basics.errors import InputError
from planning.jobs import Job


@dataclass(frozen=True)
class Profile:
    """The keys of a profile that matter here, as Snakemake understands them."""

    executor: str = "local"
    retries: int = 0
    groups: Mapping[str, str] = field(default_factory=dict)  # of a rule; wildcards in braces
    components: Mapping[str, int] = field(default_factory=dict)  # of a group: so many unconnected parts are joined

    def group(self, job: Job) -> str | None:
        """The group of a job; None for one that is submitted by itself."""
        pattern = self.groups.get(job.rule)
        return pattern.format(**job.wildcards) if pattern else None

    def submissions(self, jobs: Iterable[Job]) -> int | None:
        """How many submissions the jobs that are left take if none fails; None where nothing is submitted.

        A job that runs where Snakemake does takes none, unless it is in a group. The jobs of a group that need each
        other share a submission, and so do up to `components` such parts of it.
        """
        if self.executor == "local":
            return None
        members: dict[tuple[str, str], set[Job]] = defaultdict(set)
        alone = 0
        for job in jobs:
            if job.left and (group := self.group(job)):
                members[self.groups[job.rule], group].add(job)
            elif job.left and not job.local:
                alone += 1
        joined = (math.ceil(_parts(group) / self.components.get(key[0], 1)) for key, group in members.items())
        return alone + sum(joined)


def read_profile(folder: Path) -> Profile:
    """The profile in a folder. Raises InputError when there is none."""
    path = folder / "config.yaml"
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; name a folder of profiles/ with --profile") from None
    return Profile(
        given.get("executor", "local"),
        int(given.get("retries", 0)),
        given.get("groups", {}),
        given.get("group-components", {}),
    )


def _parts(jobs: Set[Job]) -> int:
    """The number of parts of a group that do not need each other."""
    part = {job: {job} for job in jobs}
    for job in jobs:
        for needed in job.needs:
            if needed in part and part[needed] is not part[job]:
                merged = part[needed] | part[job]
                part.update(dict.fromkeys(merged, merged))
    return len({id(members) for members in part.values()})
