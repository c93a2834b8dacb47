"""Settings of a cluster, and the resources with which jobs that need GPUs ask for them there.

profiles/slurm reads them from site.yaml or the environment and passes them on in the variable ALPACA_SITE. The
resources are those of rules, not of the profile's set-resources, which any --set-resources on the command line replaces
as a whole.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from basics.errors import InputError, SettingError, exit_in_one_line
from basics.settings import check_choices, read_settings
from study.wildcards import Wildcards

VARIABLE = "ALPACA_SITE"
SIGNAL = "--signal=TERM@300"  # five minutes before its limit, a training writes a checkpoint and ends; the next attempt
# resumes from there. Other jobs lose nothing, as their journals are always on disk
Count = int | Callable[[Wildcards], int]


@dataclass(frozen=True)
class SiteSettings:
    """The keys of profiles/slurm/site.yaml, where each is explained. Those of jobs without GPUs are the profile's."""

    account: str | int | None = None
    cpu_partition: str | None = None
    qos: str | None = None
    options: str | None = None
    gpu_account: str | int | None = None
    gpu_partition: str | None = None
    gpu_qos: str | None = None
    gpu_options: str | None = None
    gpu_constraint: str | None = None
    gpu_type: str | None = None
    gpus_by: str = "gpus"
    reservation: str | None = None
    modules: list[str] = field(default_factory=list)
    environment: dict[str, str | int] = field(default_factory=dict)
    linger: int = 120

    def __post_init__(self) -> None:
        check_choices(self, {"gpus_by": ("gpus", "gres")})


def read_site(environment: Mapping[str, str] = os.environ) -> SiteSettings | None:
    """The settings that the profile has passed on; None where it is not used. Raises InputError for a bad one."""
    if VARIABLE not in environment:
        return None
    try:
        return read_settings(SiteSettings, environment[VARIABLE])
    except (InputError, SettingError) as fault:
        raise InputError(f"profiles/slurm/site.yaml: {str(fault).removeprefix('settings: ')}") from None


@exit_in_one_line()
def site_or_exit() -> SiteSettings | None:
    """Read them, and exit with just one line on a fault."""
    return read_site()


class Site:
    """The cluster that jobs are submitted to; with `settings` None, there is none."""

    def __init__(self, settings: SiteSettings | None):
        self._settings = settings

    @property
    def linger(self) -> int:
        """Seconds for which a judge's server waits for the next run of its submission."""
        return self._settings.linger if self._settings else 0

    def on_gpus(self, gpus: Count, nodes: Count = 1, warned: bool = True) -> dict[str, object]:
        """The resources of a job with this many GPUs over all its nodes; None for those that are not asked for. With
        `warned`, a signal comes before its time limit."""
        site = self._settings
        if site is None:
            return {"gpu": gpus}

        def gres(wildcards: Wildcards) -> str | None:
            """GPUs of each node."""
            count = _value(gpus, wildcards) // _value(nodes, wildcards)
            return ":".join(filter(None, ("gpu", site.gpu_type, str(count)))) if count else None

        def gpu_model(wildcards: Wildcards) -> str | None:
            return site.gpu_type if _value(gpus, wildcards) else None

        return {
            **({"gres": gres} if site.gpus_by == "gres" else {"gpu": gpus, "gpu_model": gpu_model}),
            "slurm_account": site.gpu_account or site.account,
            "slurm_partition": site.gpu_partition or site.cpu_partition,
            "qos": site.gpu_qos or site.qos,
            "constraint": site.gpu_constraint,
            "slurm_extra": " ".join(filter(None, (SIGNAL if warned else None, site.options, site.gpu_options))),
        }


def _value(count: Count, wildcards: Wildcards) -> int:
    return count if isinstance(count, int) else count(wildcards)
