"""What happens between the steps of a training: data kept in sync, checkpoints marked as complete, progress shown.

Importing it imports Transformers, which takes seconds: import it inside functions.
"""

import time
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import TrainerCallback

from training import checkpoints, ranks
from training.instruments import Clock, Curve, Interruption, Work
from training.steps import StepSampler


class StepTimes(TrainerCallback):
    """When each step ended, in seconds of a clock that only goes on."""

    def __init__(self):
        self.ends: list[float] = []

    def on_step_end(self, args, state, control, **_):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.monotonic())


class TrainingCallback(TrainerCallback):
    """Tells `sampler` its epoch, marks complete checkpoints, stops on an `interruption`, and shows progress.

    Rank 0 also writes the losses to the file `curve`, if one is given.
    """

    def __init__(self, sampler: StepSampler, interruption: Interruption, work: Work, clock: Clock, curve: Path | None):
        self._sampler, self._interruption, self._work, self._clock = sampler, interruption, work, clock
        self._tokens = sampler.tokens_by_step
        self._curve_path = curve
        self._curve: Curve | None = None
        self._bar: tqdm | None = None  # on rank 0 only

    def on_train_begin(self, args, state, control, **_):
        if not state.is_world_process_zero:
            return
        done = sum(self._tokens[: state.global_step])
        self._bar = tqdm(total=sum(self._tokens), initial=done, unit="token", unit_scale=True, mininterval=5)
        if self._curve_path:
            self._curve = Curve(self._curve_path, from_step=state.global_step)

    def on_epoch_begin(self, args, state, control, **_):
        # From the step count: after a resume, the Trainer's data loader does not pass the epoch on to the sampler.
        self._sampler.epoch = state.global_step // self._sampler.steps

    def on_step_end(self, args, state, control, **_):
        if state.global_step == state.max_steps:
            control.should_save = False  # the output is written right after
        elif self._interruption.on_any_rank(args.device):
            control.should_save = control.should_training_stop = True
        if self._bar is not None:
            self._bar.update(self._tokens[state.global_step - 1])

    def on_log(self, args, state, control, logs=None, **_):
        if self._bar is None or not logs or not {"loss", "eval_loss"} & logs.keys():  # the last entry is a summary
            return
        if self._curve:
            self._curve.add(state.global_step, self._bar.n, self._clock.seconds(), logs)
        if "loss" in logs:
            mfu = self._work.utilisation(self._bar.n - self._bar.initial, self._bar.format_dict["elapsed"])
            shown = {} if mfu is None else {"MFU": f"{mfu:.0%}"}
            step = f"{state.global_step:,}/{state.max_steps:,}"
            self._bar.set_postfix(step=step, loss=f"{logs['loss']:.3f}", **shown, refresh=False)

    def on_save(self, args, state, control, **_):
        ranks.barrier()
        if state.is_world_process_zero:
            folder = Path(args.output_dir)
            checkpoints.mark_whole(folder / f"checkpoint-{state.global_step}", self._clock.seconds())
            checkpoints.prune(folder, state.best_model_checkpoint)

    def on_train_end(self, args, state, control, **_):
        if self._bar is not None:
            self._bar.close()
