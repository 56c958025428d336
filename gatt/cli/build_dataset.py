"""`gatt build-dataset`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from assistant.cli import options as shared

if TYPE_CHECKING:
    from assistant.settings import Settings
    from gatt.dataset.build import Progress
    from gatt.dataset.manifest import Manifest
    from gatt.dataset.sampling import Reward
    from gatt.dataset.sources import Rating, Source

Names = Annotated[str, typer.Option(metavar="NAME,...", help="Instruction families; none named: all.")]


def build_dataset(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the dataset goes: a new or empty folder.")],
    model: shared.Model = None,
    engine: shared.EngineName = None,
    base_url: shared.BaseUrl = None,
    option: shared.EngineOptions = None,
    source: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSONL of dialogues: messages, conversations, turns, prompt or a string."),
    ] = None,
    from_conversations: Annotated[
        str | None, typer.Option(metavar="FILE|URL", help="Conversations of this database instead.")
    ] = None,
    feedback: Annotated[
        Literal["up", "down"] | None, typer.Option(help="Only conversations with replies so rated.")
    ] = None,
    persona: Annotated[str | None, typer.Option(metavar="NAME", help="Only conversations with this persona.")] = None,
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only from this day on (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only before this day (UTC).")] = None,
    self_play: Annotated[
        str | None,
        typer.Option(
            metavar="TOPICS", help="The engine writes the user turns: a file, a topic a line, or some with commas."
        ),
    ] = None,
    families: Names = "",
    hold_out: Annotated[
        str, typer.Option(metavar="NAME,...", help="Families that never enter: the zero-shot test.")
    ] = "",
    lists: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="TOML that adds or replaces families; see make-lists.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Most constraints of one instruction.")] = 3,
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="Rows to keep.")] = 1000,
    k: Annotated[
        int,
        typer.Option("--k", "-k", min=1, max=256, help="Candidates an answer; the first that obeys is kept."),
    ] = 4,
    turns: Annotated[
        str | None, typer.Option(metavar="LOW-HIGH", help="User turns, drawn evenly [default: 1-20].")
    ] = None,
    per_dialogue: Annotated[
        int, typer.Option(min=1, help="Rows made of one dialogue and instruction, ending at different turns.")
    ] = 1,
    history: Annotated[
        Literal["original", "constrained", "mixed"],
        typer.Option(help="Answers before the last: the source's own, sampled under the instruction, or either."),
    ] = "mixed",
    ask: Annotated[
        float, typer.Option(min=0, max=1, help="Share of rows that end with a question about the instruction.")
    ] = 0.5,
    change: Annotated[
        float, typer.Option(min=0, max=1, help="Share of rows in which a newer instruction takes over.")
    ] = 0.0,
    plain: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of rows without any instruction, so that plain chat stays as it is."),
    ] = 0.0,
    retries: Annotated[int, typer.Option(min=0, help="How often to sample again where no candidate obeys.")] = 2,
    temperature: Annotated[float, typer.Option(min=0, max=2)] = 0.9,
    top_p: Annotated[float, typer.Option(min=0.001, max=1)] = 0.95,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest reply; longer ones are refused.")] = 256,
    seed: Annotated[int, typer.Option(min=0, max=shared.LARGEST, help="Same seed, same rows.")] = 0,
    concurrency: Annotated[int, typer.Option(min=1, help="Dialogues in the making at once.")] = 32,
    distill_prefix: Annotated[
        str | None,
        typer.Option(metavar="TEXT|FILE", help="Context distillation of this prefix instead; needs --reward."),
    ] = None,
    reward: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Sequence classifier with one label: of those that obey the best is kept."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run was cut short.")] = False,
) -> None:
    """Build dialogues whose last answer obeys an instruction given once (Ghost Attention).

    The instruction is joined to every user message while answers are sampled and checked; the stored row has it in
    front alone. Finished rows survive Ctrl-C and kill: run the same command again with --resume.

    \b
    Examples:
      gatt build-dataset --source chats.jsonl --n 2000 --hold-out haiku,sentence --out data/gatt
      gatt build-dataset --source chats.jsonl --n 2000 --hold-out haiku,sentence --out data/gatt --resume
      gatt build-dataset --source chats.jsonl --n 8000 --per-dialogue 8 --out data/shared
      gatt build-dataset --from-conversations chats.db --feedback up --out data/mine
      gatt build-dataset --source chats.jsonl --engine vllm --model ~/models/some-chat-model --out data/gatt
      gatt build-dataset --self-play "cooking, the sea" --turns 2-6 --n 50 --out data/self
      gatt build-dataset --source attacks.jsonl --distill-prefix safe.txt --reward models/safety --out data/safe
    """
    import asyncio

    from pydantic import ValidationError

    from assistant.cli.opening import engine_name, read_settings, with_options
    from assistant.engines.catalog import open_engine
    from gatt.dataset.build import Job, build
    from gatt.dataset.plan import Options
    from gatt.errors import GattError
    from gatt.families import load

    prefix = None if distill_prefix is None else _text_or_file(distill_prefix)
    try:
        options = Options(
            n=n,
            k=k,
            seed=seed,
            # Adversarial prompts stand alone: dialogues chained from them are nobody's.
            turns=_range(turns or ("1-20" if prefix is None else "1-1")),
            families=_names(families),
            held_out=_names(hold_out),
            most=most,
            per_dialogue=per_dialogue,
            history=history,
            ask=ask,
            change=change,
            plain=plain,
            retries=retries,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            distill_prefix=prefix,
        )
    except ValidationError as error:
        raise GattError(str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from error
    loaded = load(*(lists or ()))
    dialogues = _source(source, from_conversations, self_play, feedback, persona, since, until)
    scorer = _reward(reward)
    settings = with_options(read_settings(), base_url, option or ())
    opened = open_engine(settings, model, engine_name(settings, engine, base_url))

    async def run() -> Manifest:
        with _progress(n) as progress:
            job = Job(
                opened.engine,
                dialogues,
                options,
                loaded,
                reward=scorer,
                model_folder=_folder(settings, model),
                reward_folder=reward,
                concurrency=concurrency,
                progress=progress,
            )
            try:
                return await build(job, out, resume=resume)
            finally:
                await opened.engine.close()

    try:
        built = asyncio.run(run())
    except KeyboardInterrupt:
        typer.echo("stopped; finished rows are kept: run the same command again with --resume", err=True)
        raise typer.Exit(130) from None
    dropped = ", ".join(f"{count} {reason}" for reason, count in list(built.dropped.items())[:3])
    typer.echo(f"{out}: {built.kept} rows kept of {built.tried} tried{f' (dropped: {dropped})' if dropped else ''}")
    if built.kept < n:
        typer.echo(f"fewer than the {n} wanted: try more candidates (--k), or other --families", err=True)


def _folder(settings: Settings, model: str | None) -> Path | None:
    """Where the model's files are, if on this machine."""
    from assistant.engines.catalog import BUNDLED, list_models

    name = model or settings.model or BUNDLED
    known = {entry.name: entry.path for entry in list_models(settings)}
    folder = known.get(name, Path(name).expanduser())
    return folder if folder.is_dir() else None


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _range(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    if not (low.strip().isdigit() and (high or low).strip().isdigit()):
        raise typer.BadParameter(f"--turns {text}: give LOW-HIGH, such as 1-20")
    return int(low), int(high or low)


def _text_or_file(given: str) -> str:
    path = Path(given)
    try:
        return path.read_text("utf-8").strip() if path.is_file() else given
    except OSError:  # too long for a file's name: a text
        return given


def _source(
    source: Path | None,
    from_conversations: str | None,
    self_play: str | None,
    feedback: Rating | None,
    persona: str | None,
    since: datetime | None,
    until: datetime | None,
) -> Source:
    from datetime import UTC

    from gatt.dataset.selfplay import TOPICS
    from gatt.dataset.sources import from_conversations as conversations
    from gatt.dataset.sources import from_file, from_topics
    from gatt.errors import GattError

    if sum(given is not None for given in (source, from_conversations, self_play)) > 1:
        raise GattError("give one of --source, --from-conversations and --self-play")
    if from_conversations is None and (feedback or persona or since or until):
        raise GattError("--feedback, --persona, --since and --until choose among --from-conversations: give that")
    if source is not None:
        return from_file(source)
    if from_conversations is not None:
        from assistant.cli.opening import existing_database
        from assistant.store.store import Store

        with Store.open(existing_database(from_conversations)) as store:
            return conversations(
                store,
                feedback=feedback,
                persona=persona,
                since=since.replace(tzinfo=UTC) if since else None,
                until=until.replace(tzinfo=UTC) if until else None,
            )
    if self_play is None:
        return from_topics(TOPICS)
    told = _text_or_file(self_play)
    return from_topics(told.splitlines() if "\n" in told else told.split(","))


def _reward(folder: Path | None) -> Reward | None:
    if folder is None:
        return None
    from gatt.dataset.reward import load_reward

    return load_reward(folder)


@contextmanager
def _progress(n: int) -> Iterator[Progress]:
    """A bar on stderr: rows kept of those wanted, dropped, rows a minute, time left."""
    import sys

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("rows"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[dropped]} dropped"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("rows", total=n, dropped=0, rate="")

        def told(kept: int, dropped: int) -> None:
            speed = bar.tasks[task].speed
            bar.update(task, completed=kept, dropped=dropped, rate=f"{speed * 60:.0f}/min" if speed else "")

        yield told
