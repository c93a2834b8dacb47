"""What observes a training: the signals that ask it to stop, its clock, its cost, and the file of its losses."""

import csv
import signal
import time
from pathlib import Path

from training import checkpoints, flops, ranks

CURVE_COLUMNS = ("step", "tokens", "seconds", "loss", "validation_loss", "learning_rate", "gradient_norm")


class Interruption:
    """Whether a signal has asked any rank to stop."""

    def __init__(self):
        self.asked = False

    def listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: object) -> None:
        self.asked = True

    def on_any_rank(self, device) -> bool:
        """Whether any rank was asked. All ranks must call it at the same step: signals reach them at different ones."""
        if ranks.RANKS > 1:
            import torch

            asked = torch.tensor(int(self.asked), device=device)
            torch.distributed.all_reduce(asked, op=torch.distributed.ReduceOp.MAX)
            self.asked = bool(asked)
        return self.asked


class Clock:
    """Seconds of training, including those before an interruption, which checkpoints record. Steps that are repeated
    after an interruption count once."""

    def __init__(self):
        self.start(None)

    def start(self, resumed: Path | None) -> None:
        self._before = checkpoints.seconds_of(resumed) if resumed else 0.0
        self._began = time.monotonic()

    def seconds(self) -> float:
        return self._before + time.monotonic() - self._began


class Work:
    """The cost of a model's training, and the device it runs on. Create it before ZeRO partitions the model."""

    def __init__(self, model):
        import torch

        self.parameters = sum(parameter.numel() for parameter in model.parameters())
        self.trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
        self.device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"

    def flops(self, tokens: int) -> float:
        return flops.training_flops(self.parameters, self.trained, tokens)

    def utilisation(self, tokens: int, seconds: float) -> float | None:
        return flops.utilisation(self.flops(tokens), seconds, self.device, ranks.RANKS)

    def peak_memory(self) -> int:
        """Peak bytes of this rank: of GPU memory, or on a CPU of the whole process."""
        import torch

        if torch.cuda.is_available():
            return torch.cuda.max_memory_reserved()
        return peak_resident_memory()


def peak_resident_memory(pid: int | str = "self") -> int:
    """The most bytes of memory that a process, this one if none is named, has held since its program started.

    Not `ru_maxrss`, which a program takes over from the process that started it: one started by a larger process
    would show that process's memory. Raises OSError or IndexError for a process that has ended.
    """
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


class Curve:
    """The losses as a CSV file that grows during training; on a resume, the steps that will be repeated are dropped."""

    def __init__(self, path: Path, from_step: int):
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = []
        if from_step and path.exists():
            with path.open(encoding="utf-8", errors="replace", newline="") as stream:
                # A kill may have cut off the last row.
                rows = [row for row in csv.DictReader(stream) if None not in row.values()]
                kept = [row for row in rows if row.get("step", "").isdecimal() and int(row["step"]) <= from_step]
        self._stream = path.open("w", encoding="utf-8", newline="")
        self._table = csv.DictWriter(self._stream, CURVE_COLUMNS, lineterminator="\n", extrasaction="ignore")
        self._table.writeheader()
        self._table.writerows(kept)

    def add(self, step: int, tokens: int, seconds: float, logs: dict) -> None:
        names = {"loss": "loss", "eval_loss": "validation_loss", "grad_norm": "gradient_norm"}
        values = {names.get(name, name): value for name, value in logs.items()}
        self._table.writerow({"step": step, "tokens": tokens, "seconds": round(seconds, 1), **values})
        self._stream.flush()
