"""Whatever is killed, and whenever: the same command resumes, nothing is lost, and nothing is paid for twice.

The environment variables KILLS and KILL_SEED say how many kills there are, and which: 3, or 20 in `make kill-anywhere`.
"""

import os
import random
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from small import Checkout, differences

pytestmark = pytest.mark.demo
KILLS = int(os.environ.get("KILLS", 3))
SEED = int(os.environ.get("KILL_SEED", time.time_ns() % 10**6))
CONCURRENCY = 8  # calls that a judge has under way at a time, the default
PATIENCE = 600  # seconds after which a run that has not ended counts as hanging
SOON = 0.1  # seconds within which a kind not killed before is killed once it appears: engines do not live long


class Victim(NamedTuple):
    kind: str
    process: psutil.Process
    command: str


def kind_of(words: list[str]) -> str:
    """The kind of a process, from its command line."""
    script = next((Path(word).name for word in words[:4] if word.endswith(".py")), "")
    if script in ("bergamot_engine.py", "noting_judge.py"):
        return {"bergamot_engine.py": "engine", "noting_judge.py": "judge server"}[script]
    if "snakemake" in words[:4]:
        return "controller"
    return "rank" if script == "train.py" and "--method full" in " ".join(words) else "job"


def victims(checkout: Checkout) -> list[Victim]:
    found = []
    for process in checkout.processes():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if words:
            found.append(Victim(kind_of(words), process, " ".join(words)))
    return found


class Killer:
    """Kills one process after another, at random moments, preferring the kind that has been killed least."""

    def __init__(self, checkout: Checkout, kills: int, seconds: float, seed: int):
        self.checkout, self.left, self.random = checkout, kills, random.Random(seed)
        self.most = 1 + kills // 3  # of one kind; there are always controllers, jobs and ranks to kill
        self.longest = 1.4 * seconds / (kills + 1)  # seconds between two kills, so that most fall within the run
        self.killed: list[Victim] = []
        self.began = time.monotonic()
        self._set_out()

    def _set_out(self) -> None:
        self.at = time.monotonic() + self.random.uniform(0, self.longest)

    def look(self) -> None:
        """Kill, if it is time."""
        if not self.left:
            return
        there = victims(self.checkout)
        new = {victim.kind for victim in there} - {victim.kind for victim in self.killed}
        if new & {"engine", "judge server", "rank"}:
            self.at = min(self.at, time.monotonic() + self.random.uniform(0, SOON))
        if not there or time.monotonic() < self.at:
            return
        times = Counter(victim.kind for victim in self.killed)
        rarest = min(times[victim.kind] for victim in there)
        if rarest >= self.most:  # enough of that kind have been killed
            return self._set_out()
        kind = self.random.choice(sorted({victim.kind for victim in there if times[victim.kind] == rarest}))
        victim = self.random.choice([victim for victim in there if victim.kind == kind])
        try:
            victim.process.kill()
        except psutil.NoSuchProcess:
            return
        self.left -= 1
        self.killed.append(victim)
        after = time.monotonic() - self.began
        print(f"{after:6.1f} s  {victim.kind}, {victim.process.pid}: {victim.command[:110]}", flush=True)
        self._set_out()


def once(checkout: Checkout, killer: Killer, log: Path) -> int:
    """Give the command once, and the killer its chances. Returns the exit status."""
    with log.open("a") as said:
        process = checkout.start("--", "all_figures", stdout=said)
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None:
            killer.look()
            time.sleep(0.05)  # looking at every process of the machine takes some milliseconds
            assert time.monotonic() < deadline, f"no end after {PATIENCE} s: {victims(checkout)}"
    return process.returncode


def locked(checkout: Checkout) -> bool:
    return any((checkout.folder / ".snakemake" / "locks").glob("*"))


def paid_twice(checkout: Checkout) -> int:
    return sum(times - 1 for times in Counter(checkout.calls()).values())


def test_a_run_killed_anywhere_again_and_again_ends_with_the_bytes_of_an_uninterrupted_one(unbroken, tmp_path, capfd):
    checkout, log = Checkout(tmp_path / "killed"), tmp_path / "log"
    starts = 0
    with capfd.disabled():
        print(f"\nKILLS={KILLS} KILL_SEED={SEED}", flush=True)
        killer = Killer(checkout, KILLS, unbroken.seconds, SEED)
        while (status := once(checkout, killer, log)) or killer.left:
            starts += 1
            assert starts <= 3 * KILLS + 3, f"the run does not come to an end: {log.read_text()[-4000:]}"
            if not status:  # everything was made before the last kill: make some of it again
                shutil.rmtree(checkout.results / "models" / "full")
            elif locked(checkout):
                done = checkout.run("--unlock")
                assert done.returncode == 0, done.stdout
        seconds = time.monotonic() - killer.began
        print(f"{starts + 1} starts, {seconds:.0f} s; unbroken, {unbroken.seconds:.0f} s", flush=True)

    assert not psutil.wait_procs(checkout.processes(), timeout=10)[1], f"still there: {victims(checkout)}"
    assert not checkout.checkpoints()
    assert not differences(checkout.artifacts(), unbroken.artifacts())
    assert "Nothing to be done" in checkout.finish()

    assert checkout.journals().keys() == unbroken.journals().keys()
    for name, keys in unbroken.journals().items():
        assert sorted(checkout.journals()[name]) == sorted(keys), f"{name}: each item once"
    judging = [victim for victim in killer.killed if "/judge.py" in victim.command or victim.kind == "judge server"]
    assert paid_twice(unbroken) == 0
    assert paid_twice(checkout) <= CONCURRENCY * len(judging), "only calls under way at a kill may be lost"
    if KILLS >= 20:
        kinds = {victim.kind for victim in killer.killed}
        assert kinds >= {"controller", "job", "rank", "judge server"}, "an engine may have ended before it is killed"
