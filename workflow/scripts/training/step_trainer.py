"""The Hugging Face Trainer with its data sharding, its validation loss and its last checkpoint replaced.

Importing it imports Transformers, which takes seconds: import it inside functions.
"""

import math
import shutil
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from basics.errors import InputError
from training import checkpoints, ranks
from training.examples import NO_LABEL, NO_ROW, Examples
from training.instruments import Clock, Work
from training.steps import StepSampler

NAMED_ROWS = 8  # at most, in an error message


def step_loss(outputs, labels, num_items_in_batch=1):
    """A micro-batch's share of the step's loss: the sum over its labels, divided by the number of the step's labels."""
    return outputs.loss / torch.as_tensor(num_items_in_batch).clamp(min=1)  # 0 if every response was cut off


class StepTrainer(Trainer):
    """Trains on the micro-batches of `train` and validates on those of `validation`, both taken as they are.

    Both loaders yield batches of `examples.collate` in the order of a StepSampler. A step's loss is the mean over its
    labels or, with `loss_mean`, the mean over groups of so many examples of the means over their labels. `work` and
    `clock` measure the training; the caller starts the clock. Checkpoints go to the output_dir of `arguments`.
    """

    def __init__(
        self,
        model,
        arguments: TrainingArguments,
        train: DataLoader,
        validation: DataLoader,
        work: Work,
        clock: Clock,
        callbacks: list[TrainerCallback],
        loss_mean: int | None = None,
    ):
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=train.dataset,
            eval_dataset=validation.dataset,
            compute_loss_func=step_loss,
            callbacks=callbacks,
        )
        self.remove_callback(PrinterCallback)
        assert arguments.output_dir
        self._folder = Path(arguments.output_dir)
        self.step_sampler = cast(StepSampler, train.batch_sampler)
        self.work, self.clock = work, clock
        self._train_batches, self._validation_batches = train, validation
        self._loss_mean = loss_mean
        self._factors: tuple[int, torch.Tensor] | None = None  # the epoch, and the factor of each of its examples
        self._seen: list[tuple[torch.Tensor, torch.Tensor]] = []  # (loss, rows) of this step's micro-batches so far

    def get_train_dataloader(self):
        return self._train_batches

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        rows = inputs.pop("rows")
        if self._loss_mean:
            inputs["factors"] = self._factors_of(rows, self._loss_mean)
        loss = super().compute_loss(model, inputs, num_items_in_batch=num_items_in_batch)
        assert isinstance(loss, torch.Tensor)  # a pair only with return_outputs
        self._seen.append((loss.detach(), rows))
        if self.accelerator.gradient_state.sync_gradients:  # the step's last: check before the weights change
            self._check_losses()
        return loss

    def _factors_of(self, rows: torch.Tensor, size: int) -> torch.Tensor:
        """How often a label of each of these rows counts in the loss, averaged in groups of `size`; any number for a
        filler, which has no label."""
        epoch = self.state.global_step // self.step_sampler.steps
        if self._factors is None or self._factors[0] != epoch:
            labels = cast(Examples, self._train_batches.dataset).label_counts
            factors = self.step_sampler.label_factors(epoch, labels, size)
            self._factors = epoch, torch.tensor(factors, device=rows.device)
        return self._factors[1][rows]

    def _check_losses(self) -> None:
        """Raise RankError if a loss is not finite, before the step changes the weights."""
        losses = torch.stack([loss for loss, _ in self._seen])
        if not losses.isfinite().all():
            wrong = [rows for loss, rows in self._seen if not loss.isfinite()]
            examples = cast(Examples, self._train_batches.dataset)
            names = [examples.name(row) for row in torch.cat(wrong).tolist() if row != NO_ROW]
            more = f" and {len(names) - NAMED_ROWS} more" if len(names) > NAMED_ROWS else ""
            raise ranks.RankError(
                f"step {self.state.global_step + 1}: the loss is {losses.sum().item()}, on rows"
                f" {', '.join(names[:NAMED_ROWS])}{more}; look at them, lower learning_rate or use bf16"
                f" ({self._last_good()})"
            )
        self._seen.clear()

    def _clip_grad_norm(self, model):
        norm = super()._clip_grad_norm(model)
        if norm is not None and not math.isfinite(norm):
            raise InputError(
                f"step {self.state.global_step + 1}: the gradient norm is {float(norm)} although the loss is finite;"
                f" lower learning_rate or use bf16 ({self._last_good()})"
            )
        return norm

    def _last_good(self) -> str:
        last = checkpoints.newest_checkpoint(self._folder)
        return f"the last checkpoint, {last}, is intact" if last else "there is no checkpoint yet"

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        """Mean loss over all validation labels (the Trainer's own is a mean of the means of micro-batches)."""
        loss = self._validation_loss()
        if not math.isfinite(loss):
            raise InputError(
                f"step {self.state.global_step}: the validation loss is {loss}; lower learning_rate or use bf16"
                f" ({self._last_good()})"
            )
        metrics = {"eval_loss": loss}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _validation_loss(self) -> float:
        """Mean over the labels of all ranks; 0 if there are none."""
        model = self.model_wrapped
        assert model is not None
        model.eval()
        total = torch.zeros(2, dtype=torch.float64, device=self.args.device)  # summed loss, labels
        with torch.no_grad():
            for inputs in self._validation_batches:
                inputs = self._prepare_inputs({name: inputs[name] for name in inputs if name != "rows"})
                labels = inputs.pop("labels")
                loss = model(**inputs).loss
                total += torch.stack((loss.double(), (labels != NO_LABEL).sum().double()))
        loss, labels = self.accelerator.reduce(total).tolist()
        return loss / max(labels, 1)

    def _save_checkpoint(self, model, trial):
        try:
            super()._save_checkpoint(model, trial)
        except (torch.OutOfMemoryError, torch.distributed.DistError):
            raise
        except (OSError, RuntimeError, SafetensorError) as error:
            if ranks.lost_peer(error):
                raise
            torn = self._folder / f"checkpoint-{self.state.global_step}"
            shutil.rmtree(torn, ignore_errors=True)  # to free the space that it took
            reason = " ".join(str(error).split())[:200]
            raise ranks.RankError(
                f"{torn}: the checkpoint cannot be written ({reason}); make room and run again: {self._last_good()}"
            ) from error

    def _load_best_model(self):
        if self.state.best_global_step != self.state.global_step:  # otherwise the best weights are the current ones
            super()._load_best_model()
