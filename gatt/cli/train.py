"""`gatt train`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer


class MethodName(enum.StrEnum):
    lora = "lora"
    qlora = "qlora"
    full = "full"


class LossName(enum.StrEnum):
    last_turn = "last-turn"
    all_turns = "all-turns"


class PrecisionName(enum.StrEnum):
    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


class ScheduleName(enum.StrEnum):
    cosine = "cosine"
    linear = "linear"


def train(
    data: Annotated[Path, typer.Option(help="Folder that `gatt build-dataset` wrote, or one .jsonl file of it.")],
    model: Annotated[
        str, typer.Option(help="Local Hugging Face model folder to tune, or a name in `assistant models`.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for model, adapter, log, plot and card.")],
    rehearse: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Dialogues (JSONL, OpenAI messages) to learn beside the rows, all answers."),
    ] = None,
    method: Annotated[MethodName, typer.Option(help="Adapters, adapters on a 4-bit base, or all weights.")] = (
        MethodName.lora
    ),
    loss: Annotated[LossName, typer.Option(help="Learn the last answer alone, or all answers.")] = LossName.last_turn,
    epochs: Annotated[int, typer.Option(min=1, help="Times each row is learned.")] = 2,
    learning_rate: Annotated[float, typer.Option(min=0, help="Peak. 0: 2e-5 for full, 2e-4 for adapters.")] = 0.0,
    schedule: Annotated[ScheduleName, typer.Option(help="How the rate falls after warm-up.")] = ScheduleName.cosine,
    warmup: Annotated[float, typer.Option(min=0, max=1, help="Share of the steps in which the rate rises.")] = 0.03,
    batch_tokens: Annotated[int, typer.Option(min=1, help="Tokens an optimizer step.")] = 16384,
    micro_tokens: Annotated[int, typer.Option(min=0, help="Tokens a forward pass. 0: --length.")] = 0,
    packing: Annotated[bool, typer.Option(help="Join rows into one sequence instead of padding them.")] = False,
    sharing: Annotated[bool, typer.Option(help="Read once what several rows of a dialogue have in common.")] = True,
    length: Annotated[int, typer.Option(min=0, help="Most tokens of a row. 0: the model's window.")] = 0,
    rank: Annotated[int, typer.Option(min=1, help="Rank of the adapter.")] = 16,
    alpha: Annotated[int, typer.Option(min=1, help="Scale of the adapter, times its rank.")] = 32,
    dropout: Annotated[float, typer.Option(min=0, max=0.9, help="Dropout before the adapter.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Order of the rows, first weights of the adapter.")] = 0,
    validation: Annotated[float, typer.Option(min=0, max=0.9, help="Share of rows held out, by hash of their id.")] = (
        0.05
    ),
    validate_every: Annotated[int, typer.Option(min=0, help="Steps between validations. 0: ten in a run.")] = 0,
    patience: Annotated[int, typer.Option(min=0, help="Validations without gain before stopping. 0: never.")] = 3,
    precision: Annotated[PrecisionName, typer.Option(help="auto: bf16 where the hardware has it.")] = (
        PrecisionName.auto
    ),
    recompute: Annotated[bool, typer.Option(help="Less memory, more time: recompute activations.")] = False,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads. 0: torch's choice.")] = 0,
    checkpoint_minutes: Annotated[float, typer.Option(min=0, help="Minutes between checkpoints.")] = 5.0,
    resume: Annotated[bool, typer.Option(help="Go on with the run in --out, after Ctrl-C or a kill.")] = False,
) -> None:
    """Tune a model on a Ghost Attention dataset, and write a folder to chat with.

    Only answers and their stop tokens are learned; a row for which this cannot be proved is dropped and counted.
    With --rehearse the model keeps in practice what the rows do not show.
    --out gets model/ (merged), adapter/ (lora, qlora), log.jsonl, rows.json, loss.svg, loss.png, README.md.

    \b
    Examples:
      gatt train --data gatt-data --model ~/models/Qwen2.5-0.5B-Instruct --out tuned
      gatt train --data gatt-data --model bundled --method full --learning-rate 3e-4 --out tuned
      gatt train --data gatt-data --model bundled --method full --learning-rate 3e-4 --out tuned --resume

    \b
    Several GPUs or machines, with a configuration from recipes/accelerate:
      accelerate launch --config_file recipes/accelerate/multi_gpu.yaml -m gatt.cli.app train --data ...
      accelerate launch --config_file recipes/accelerate/fsdp.yaml -m gatt.cli.app train --data ...
      accelerate launch --config_file recipes/accelerate/deepspeed_zero3.yaml -m gatt.cli.app train --data ...
    """
    try:
        import accelerate as accelerate
        import peft as peft
        import torch
    except ImportError as error:
        from gatt.errors import GattError

        raise GattError(f"{error.name} is not installed: pip install 'steadfast[train]'") from None

    from assistant.settings import Settings as Defaults
    from gatt.evaluation.models import folder_of
    from gatt.training.masks import Loss
    from gatt.training.methods import Adapter, Method
    from gatt.training.screen import first_process, open_screen
    from gatt.training.settings import TrainSettings
    from gatt.training.train import train as run

    if threads:
        torch.set_num_threads(threads)
    settings = TrainSettings(
        data=data,
        model=folder_of(Defaults(), model),
        out=out,
        method=Method(method.value),
        loss=Loss(loss.value),
        epochs=epochs,
        learning_rate=learning_rate,
        schedule=schedule.value,
        warmup=warmup,
        batch_tokens=batch_tokens,
        micro_tokens=micro_tokens,
        packed=packing,
        shared=sharing,
        length=length,
        seed=seed,
        validation=validation,
        validate_every=validate_every,
        patience=patience,
        precision=precision.value,
        recompute=recompute,
        adapter=Adapter(rank, alpha, dropout),
        checkpoint_minutes=checkpoint_minutes,
        resume=resume,
        rehearse=rehearse,
    )
    try:
        with open_screen() as screen:
            result = run(settings, prepared=screen.prepared, report=screen.report)
    except KeyboardInterrupt:
        typer.echo(
            f"stopped; the work so far is in {out / 'checkpoints'}: the same command with --resume goes on", err=True
        )
        raise typer.Exit(130) from None
    if not first_process():
        return
    held_out = f", held-out loss {result.progress.best_loss:.4f}" if result.progress.best_loss is not None else ""
    typer.echo(f"{out / 'model'}: {result.progress.step} steps{held_out}. Chat: assistant chat --model {out / 'model'}")
