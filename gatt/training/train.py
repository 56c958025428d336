"""The training loop: a dataset of `gatt build-dataset` into a tuned model. `gatt train --help` shows how to run it.

Not on trl: its SFTTrainer cuts long rows at the end, where the answer to learn is, masks by length without proof, and
averages a step's loss over the tokens that its own collator labels. What is left of it is accelerate, used here as is.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gatt.audit import audit
from gatt.errors import GattError
from gatt.training import methods, rehearsal
from gatt.training.checkpoints import Checkpoints, Progress, store_only_trained
from gatt.training.curves import draw, read_log
from gatt.training.interruption import Interruption
from gatt.training.load_rows import fingerprint, load_rows
from gatt.training.loss import share, summed_loss
from gatt.training.masks import Encoded
from gatt.training.model_card import Made, weights_hash, write_card
from gatt.training.packing import MicroBatch, micro_batches, steps, together
from gatt.training.selection import Selection, select
from gatt.training.settings import TrainSettings
from gatt.training.sharing import Tree, by_dialogue
from guardrails.rendering import ChatTemplate, RenderingError

if TYPE_CHECKING:
    from accelerate import Accelerator

VALIDATIONS = 10  # in a whole run, unless told otherwise
# Llama 2, section 3.1 and 3.4.3.
WEIGHT_DECAY = 0.1
BETAS = (0.9, 0.95)
CLIP = 1.0  # norm of the gradient


@dataclass(frozen=True, slots=True)
class Result:
    """What came out. Losses are in nats a learned token; None where there was no held-out row."""

    progress: Progress
    stopped_early: bool
    selection: Selection


Report = Callable[[dict[str, Any]], None]


def train(settings: TrainSettings, *, prepared: Callable[[Selection, int], None], report: Report) -> Result:
    """Train, and write the model to `settings.out`.

    `prepared` is called with the rows and the number of steps before the first step, `report` after each step.

    Raises:
        GattError: data, template, model, method or disk do not allow it; says the fix.
        KeyboardInterrupt: stopped by a signal, after a checkpoint was written.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    try:
        template = ChatTemplate.from_folder(settings.model)
    except RenderingError as error:
        raise GattError(str(error)) from error
    refuse_faults(template)
    methods.check(settings.method, cuda=torch.cuda.is_available())
    if not settings.resume and (settings.out / "checkpoints").exists():
        raise GattError(f"{settings.out} holds a run already: go on with --resume, or choose another --out")
    length = settings.length or methods.window(settings.model)
    rows = load_rows(settings.data)
    selection = select(rows, template, loss=settings.loss, length=length, validation=settings.validation)
    if settings.rehearse is not None:
        selection.rehearse(*rehearsal.read(settings.rehearse, template, length))
    AcceleratorState._reset_state()  # it outlives a run, and with it the precision of the one before in this process
    accelerator = Accelerator(mixed_precision="bf16" if settings.bf16 else "no")
    run = _Run(settings, selection, accelerator, length)
    prepared(selection, len(run.plan))
    stopped_early = run.go(report)
    run.finish(stopped_early)
    return Result(run.progress, stopped_early, selection)


def refuse_faults(template: ChatTemplate) -> None:
    """Raises GattError with the first thing that makes a template unfit, and its fix."""
    for finding in audit(template):
        if finding.kind == "fault":
            raise GattError(f"the chat template is unfit for training: {finding.what}. Fix: {finding.fix}")


def rate(step: int, total: int, settings: TrainSettings) -> float:
    """The learning rate of a step: linear warm-up, then a fall to a tenth of the peak (cosine) or to 0 (linear)."""
    warm = max(1, round(settings.warmup * total))
    if step < warm:
        return settings.peak * (step + 1) / warm
    done = (step - warm) / max(1, total - warm)
    if settings.schedule == "linear":
        return settings.peak * (1 - done)
    return settings.peak * (0.1 + 0.45 * (1 + math.cos(math.pi * done)))


class _Run:
    """One run: the plan of its steps, the model, and where it stands."""

    def __init__(self, settings: TrainSettings, selection: Selection, accelerator: Accelerator, length: int) -> None:
        self.settings, self.selection, self.accelerator = settings, selection, accelerator
        # Of dialogues with several rows a step learns all or none, so that what they share is read once.
        self.shared = settings.shared and selection.rows_share_dialogues()
        methods.check_layers(settings.model, packed=settings.packed, shared=self.shared, length=length)
        self.training: Sequence[Encoded | Tree] = selection.training
        self.validation: Sequence[Encoded | Tree] = selection.validation
        if self.shared:
            self.training, self.validation = by_dialogue(selection.training), by_dialogue(selection.validation)
        lengths = [len(row.ids) for row in self.training]
        self.plan = [
            step
            for epoch in range(settings.epochs)
            for step in steps(lengths, batch_tokens=settings.batch_tokens, seed=settings.seed, epoch=epoch)
        ]
        self.every = settings.validate_every or max(1, len(self.plan) // VALIDATIONS)
        self.micro_tokens = settings.micro_tokens or length
        self.described = settings.described() | {
            "data": fingerprint(settings.data),
            "model": weights_hash(settings.model),
            "rehearsed": None if settings.rehearse is None else fingerprint(settings.rehearse),
        }
        torch.manual_seed(settings.seed)
        bf16 = accelerator.mixed_precision == "bf16"
        model = methods.load(settings.model, settings.method, settings.adapter, bf16=bf16, recompute=settings.recompute)
        trained = methods.trained_names(model)
        if accelerator.distributed_type == "DEEPSPEED":  # it asks for a size of batch, and there is no one size
            accelerator.state.deepspeed_plugin.deepspeed_config["train_micro_batch_size_per_gpu"] = 1
        elif accelerator.distributed_type != "FSDP":
            store_only_trained(accelerator, trained)
        self.model, self.optimizer = accelerator.prepare(model, _optimizer(model, settings))
        self.checkpoints = Checkpoints(settings.out / "checkpoints", self.described, trained)
        self.progress = self.checkpoints.resume(accelerator) if settings.resume else Progress()
        self._log = settings.out / "log.jsonl"

    def go(self, report: Report) -> bool:
        """Train to the end of the plan, or until the held-out loss no longer falls: then True."""
        saved = time.monotonic()
        if self.accelerator.is_main_process:
            self.settings.out.mkdir(parents=True, exist_ok=True)
            rows = json.dumps(self.selection.report(), indent=1) + "\n"
            (self.settings.out / "rows.json").write_text(rows, "utf-8")
            _truncate(self._log, self.progress.step)
        with Interruption() as interruption:
            while self.progress.step < len(self.plan):
                if self._stale():
                    return True
                entry = self._step()
                last = self.progress.step == len(self.plan)
                if self.selection.validation and (self.progress.step % self.every == 0 or last):
                    entry["validation_loss"] = self._validate()
                if self.accelerator.is_main_process:
                    with self._log.open("a", encoding="utf-8") as log:
                        log.write(json.dumps(entry) + "\n")
                report(entry)
                asked = self._agreed(interruption.asked)
                if asked or self._agreed(last or time.monotonic() - saved > self.settings.checkpoint_minutes * 60):
                    self.checkpoints.save(self.accelerator, self.progress)
                    saved = time.monotonic()
                if asked:
                    raise KeyboardInterrupt
        return self._stale()

    def finish(self, stopped_early: bool) -> None:
        """Write model, adapter, plot and card, from the best weights; without held-out rows, from the last ones.

        Raises:
            GattError: they cannot be written; the checkpoints are whole.
        """
        if not self.selection.validation:
            self.checkpoints.save_best(self.accelerator, self.model)
        self.accelerator.wait_for_everyone()
        if not self.accelerator.is_main_process:
            return
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        told = self.settings
        try:
            methods.write_outputs(told.model, told.method, told.adapter, load_file(self.checkpoints.best), told.out)
            title = f"{told.model.resolve().name}, {told.method.value}: loss of {told.loss.value.replace('-', ' ')}"
            draw(read_log(self._log), title, told.out)
            made = Made(told.model, told.data, self.described, len(self.plan), stopped_early)
            write_card(told.out, made, self.selection.report(), self.progress, self.accelerator.num_processes)
        except (OSError, RuntimeError, SafetensorError) as error:
            why = str(error).splitlines()[0]
            raise GattError(f"the model cannot be written ({why}): mend that, then --resume") from error

    def _step(self) -> dict[str, Any]:
        """One optimizer step, and what to log of it."""
        started = time.monotonic()
        lr = rate(self.progress.step, len(self.plan), self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        rows = [self.training[row] for row in self.plan[self.progress.step]]
        learned = sum(row.supervised for row in rows)
        self.model.train()
        total = torch.zeros((), device=self.accelerator.device)
        passes = list(self._passes(rows))
        for number, (batch, counts) in enumerate(passes, start=1):
            last = number == len(passes)
            self.accelerator.sync_gradients = last
            with nullcontext() if last else self.accelerator.no_sync(self.model):
                # Distributed gradients are averaged over the processes, hence the factor.
                summed = summed_loss(self.model, batch) * counts
                self.accelerator.backward(summed * self.accelerator.num_processes / learned)
            total += summed.detach()
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad()
        loss = float(self.accelerator.reduce(total, "sum")) / learned
        if not math.isfinite(loss):
            step = self.progress.step + 1
            raise GattError(f"the loss is {loss} at step {step}: lower --learning-rate; the last checkpoint is kept")
        seconds = time.monotonic() - started
        self.progress.step += 1
        self.progress.seconds += seconds
        self.progress.learned_tokens += learned
        return {
            "step": self.progress.step,
            "loss": round(loss, 5),
            "learning_rate": lr,
            "gradient_norm": round(float(norm), 4) if norm is not None else None,
            "learned_tokens": learned,
            "tokens": sum(len(row.ids) for row in rows),
            "seconds": round(seconds, 3),
        }

    def _validate(self) -> float:
        """Loss over the held-out rows; keeps the weights where it is the lowest so far."""
        started = time.monotonic()
        rows = self.validation
        self.model.eval()
        total = torch.zeros((), device=self.accelerator.device)
        with torch.no_grad():
            for batch, counts in self._passes(rows):
                total += summed_loss(self.model, batch) * counts
        loss = float(self.accelerator.reduce(total, "sum")) / sum(row.supervised for row in rows)
        progress = self.progress
        progress.validation_loss = loss
        progress.stale += 1
        if progress.best_loss is None or loss < progress.best_loss:
            progress.best_loss, progress.best_step, progress.stale = loss, progress.step, 0
            self.checkpoints.save_best(self.accelerator, self.model)
        progress.seconds += time.monotonic() - started
        return round(loss, 5)

    def _passes(self, rows: Sequence[Encoded | Tree]) -> Iterator[tuple[MicroBatch, bool]]:
        """This process's forward passes over `rows`, each with whether it counts."""
        groups = micro_batches(
            range(len(rows)),
            [len(row.ids) for row in rows],
            micro_tokens=self.micro_tokens,
            packed=self.settings.packed or self.shared,
        )
        for group, counts in share(groups, self.accelerator.process_index, self.accelerator.num_processes):
            batch = together([rows[row] for row in group], packed=self.settings.packed)
            yield batch.to(self.accelerator.device), counts

    def _stale(self) -> bool:
        return 0 < self.settings.patience <= self.progress.stale

    def _agreed(self, wanted: bool) -> bool:
        """Whether any process wants it: they must save and stop at the same step."""
        if self.accelerator.num_processes == 1:
            return wanted
        return bool(self.accelerator.reduce(torch.tensor(float(wanted), device=self.accelerator.device), "sum") > 0)


def _optimizer(model: torch.nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """AdamW with the paper's betas; no decay on norms and biases, which have one dimension."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [w for w in weights if w.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=settings.peak, betas=BETAS, fused=True)


def _truncate(log: Path, step: int) -> None:
    """Forget what a killed run logged after its last checkpoint: it is done again."""
    if not log.exists():
        return
    lines = log.read_text("utf-8").split("\n")
    kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= step]
    log.write_text("".join(line + "\n" for line in kept), "utf-8")
