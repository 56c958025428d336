"""Training a reward model: pairs by rank, labelled replies and prompts by their label, in one run.

Llama 2, section 3.2.2: one epoch (more over-fits), cosine schedule to a tenth of the peak, warm-up of 3 %.
On transformers' Trainer, which brings checkpoints, resuming and the log.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from guardrails.hardware import multiplies_bf16
from guardrails.rendering import ChatTemplate, RenderingError
from guardrails.reward.base import load_base
from guardrails.reward.data import Labelled, Pair
from guardrails.reward.loss import ranking_loss, safety_loss
from guardrails.reward.model import Calibration, RewardError, RewardModel, version_of

Example = Pair | Labelled
Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train. `length` is the most tokens of an exchange, `batch` how many examples a step has."""

    base: Path
    out: Path
    length: int = 256
    epochs: float = 1.0
    learning_rate: float = 5e-5
    warmup: float = 0.03
    weight_decay: float = 0.01
    batch: int = 32
    pair_weight: float = 1.0
    seed: int = 0
    resume: bool = False


@dataclass(frozen=True, slots=True)
class Trained:
    """The model's folder, and how many examples it learned from: all but those that its template does not render."""

    folder: Path
    examples: int


def train(settings: Settings, examples: Sequence[Example], *, report: Report = lambda entry: None) -> Trained:
    """Train on the examples and write the model to `out`/model. `report` is called with the log's entries.

    Raises:
        RewardError: no model to begin with, no examples, or nothing to resume.
        KeyboardInterrupt: stopped; the last checkpoint is whole.
    """
    if not examples:
        raise RewardError("there is nothing to train on: give pairs or labelled examples")
    torch.manual_seed(settings.seed)  # the label's head is drawn before the trainer sets its own
    model, tokenizer = load_base(settings.base)
    reward = RewardModel(model, ChatTemplate(tokenizer), settings.length, Calibration(), version_of(settings.base))
    rows = _rows(examples, reward)
    checkpoints = settings.out / "checkpoints"
    last = get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None
    if last and not settings.resume:
        raise RewardError(f"{settings.out} holds a run already: go on with --resume, or choose another --out")
    steps = max(1, round(len(rows) * settings.epochs / settings.batch))
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": 0.1},
        warmup_steps=max(1, round(settings.warmup * steps)),
        weight_decay=settings.weight_decay,
        max_grad_norm=1.0,
        bf16=multiplies_bf16(),
        use_cpu=not torch.cuda.is_available(),
        seed=settings.seed,
        train_sampling_strategy="group_by_length",
        remove_unused_columns=False,
        logging_steps=10,
        save_steps=200,
        save_total_limit=1,
        report_to=[],
        disable_tqdm=True,
        dataloader_num_workers=0,
    )
    trainer = _Trainer(reward, settings, args=arguments, train_dataset=rows, callbacks=[_Told(report)])
    trainer.remove_callback(PrinterCallback)  # the log and `report` have it
    trainer.train(resume_from_checkpoint=last)
    folder = settings.out / "model"
    model.config.exchange_tokens = settings.length
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id  # -1 is for this process alone
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Trained(folder, len(rows))


def _rows(examples: Sequence[Example], reward: RewardModel) -> list[dict[str, Any]]:
    """Token ids of every example; of what is too long to read at once the last part.

    What the template does not render, such as roles out of order, is left out. Raises RewardError if that is all.
    """
    rows: list[dict[str, Any]] = []
    failure: RenderingError | None = None
    for one in examples:
        sides = (one.chosen, one.rejected) if isinstance(one, Pair) else (one.exchange,)
        try:
            ids = [reward.parts(exchange)[-1] for exchange in sides]
        except RenderingError as error:
            failure = error
            continue
        rows.append(
            {
                "ids": ids,
                "input_ids": max(ids, key=len),  # by its length rows are grouped
                "margin": one.margin if isinstance(one, Pair) else 0.0,
                "safe": float(one.safe) if isinstance(one, Labelled) else None,
            }
        )
    if not rows:
        raise RewardError(f"the model's template renders none of the examples: {failure}") from failure
    return rows


class _Trainer(Trainer):
    """Adds the two losses of a batch, each a mean over its own examples weighted by how many they are."""

    def __init__(self, reward: RewardModel, settings: Settings, **options: Any) -> None:
        super().__init__(model=reward.model, data_collator=_together, **options)
        self._reward = reward
        self._settings = settings

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        rows = inputs["rows"]
        pairs = [row for row in rows if row["safe"] is None]
        labelled = [row for row in rows if row["safe"] is not None]
        logits = self._reward.batch([ids for row in (*pairs, *labelled) for ids in row["ids"]], model)
        device = logits.device
        n = 2 * len(pairs)
        margins = torch.tensor([row["margin"] for row in pairs], device=device)
        safe = torch.tensor([row["safe"] for row in labelled], device=device)
        ranking = ranking_loss(logits[0:n:2], logits[1:n:2], margins).sum() * self._settings.pair_weight
        return (ranking + safety_loss(logits[n:], safe).sum()) / len(rows)

    def _prepare_inputs(self, inputs: Any) -> Any:
        return inputs


def _together(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows of a batch as they are: their tokens are put together when it is known which are pairs."""
    return {"rows": rows}


class _Told(TrainerCallback):
    def __init__(self, report: Report) -> None:
        self._report = report

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if logs and "loss" in logs:
            entry = {"step": state.global_step, "steps": state.max_steps, **logs}
            Path(args.output_dir).mkdir(parents=True, exist_ok=True)
            with (Path(args.output_dir).parent / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(entry) + "\n")
            self._report(entry)
