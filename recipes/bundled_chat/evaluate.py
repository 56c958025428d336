"""Does the tuned model keep its instruction over twenty turns, does it know its topics, and can it add?

`python -m recipes.bundled_chat.evaluate` prints a table. Users' messages and ad-hoc instructions come from the
generators with a seed that tuning never used: new combinations, of phrases that tuning has seen. The model answers on
its own history, through the same pipeline as any chat; programs check each reply against the instruction's style rule.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from assistant.engines.catalog import BUNDLED_FOLDER
from assistant.engines.transformers_engine import TransformersEngine
from assistant.personas.persona import Persona
from assistant.sampling import Sampling
from assistant.service import Assistant
from assistant.store.store import Store
from guardrails.statistics import Share
from recipes.bundled_chat import chats
from recipes.bundled_chat.config import load
from recipes.bundled_chat.dialogues import speakers, topics
from recipes.bundled_chat.dialogues.arithmetic import solve
from recipes.bundled_chat.dialogues.speakers import Speaker
from recipes.bundled_chat.dialogues.stream import TOPICS
from recipes.bundled_chat.dialogues.voices import shipped, voice

UNSEEN = 2
TURNS = 20
# Of the messages, where users order something else ("Act as Oscar Wilde.").
ORDERS = 0.2
BUCKETS = ((1, 1), (2, 4), (5, 9), (10, 19), (20, 20))
SUMS = 100
TOPIC_QUESTIONS = 70
TEMPERATURES = (0.6, 0.4, 0.2, 0.0)

# Whether a reply obeyed, by group and turn.
Scores = dict[str, dict[int, list[bool]]]


def cast() -> Iterator[tuple[str, Speaker]]:
    """Every shipped persona with its whole instruction, and twice as many instructions made on the spot."""
    rng = Random(UNSEEN)
    for key in shipped():
        spoken, own = voice(key), speakers.persona(key)
        yield "shipped personas", Speaker(spoken, spoken.name, spoken.role, spoken.hobby, own.instruction)
    for _ in range(2 * len(shipped())):
        yield "instructions made on the spot", speakers.neutral(rng)


async def keep_instruction(assistant: Assistant, sampling: Sampling, orders: float) -> Scores:
    """Twenty turns with each speaker; in a share `orders` of the messages the user orders something else."""
    said = chats.plain(UNSEEN, 400, orders=orders, split="test")
    users = [message.content for chat in said for message in chat if message.role == "user"]
    rng = Random(UNSEEN)
    scores: Scores = {}
    for group, speaker in track(list(cast()), "twenty turns each"):
        persona = Persona(name="evaluated", title="Evaluated", instruction=speaker.system, sampling=sampling)
        conversation = assistant.store.create_conversation(assistant.store.save_persona(persona).id)
        for turn in range(1, TURNS + 1):
            reply = await say(assistant, conversation.id, rng.choice(users))
            scores.setdefault(group, {}).setdefault(turn, []).append(speaker.obeys(reply))
    return scores


async def add_up(assistant: Assistant, sampling: Sampling) -> int:
    """How many of a hundred sums of numbers up to twelve come out right, each in a new conversation."""
    rng = Random(UNSEEN)
    own = speakers.persona("plain-speaker").model_copy(update={"sampling": sampling})
    version = assistant.store.save_persona(own).id
    right = 0
    for _ in track(range(SUMS), "sums"):
        a, b, sign = rng.randint(0, 12), rng.randint(0, 12), rng.choice("+-")
        a, b = max(a, b), min(a, b)
        conversation = assistant.store.create_conversation(version)
        reply = await say(assistant, conversation.id, f"What is {a} {sign} {b}?")
        others = {str(a), str(b)} - {str(solve(a, sign, b))}
        right += [n for n in re.findall(r"\d+", reply) if n not in others][-1:] == [str(solve(a, sign, b))]
    return right


async def know_topics(assistant: Assistant, sampling: Sampling) -> list[bool]:
    """Whether "What is X?", a first message to the professor, brings back a sentence of the knowledge base."""
    chosen = Random(UNSEEN).sample(list(topics.read(TOPICS).topics), TOPIC_QUESTIONS)
    own = speakers.persona("professor").model_copy(update={"sampling": sampling})
    version = assistant.store.save_persona(own).id
    known = []
    for topic in track(chosen, f"topics at {sampling.temperature}"):
        reply = await say(assistant, assistant.store.create_conversation(version).id, f"What is {topic.name}?")
        sentences = (*topic.what, *topic.how, *topic.simple, *topic.fact)
        known.append(any(sentence.rstrip(".!?") in reply for sentence in sentences))
    return known


async def say(assistant: Assistant, conversation_id: int, text: str) -> str:
    turn = await assistant.send(conversation_id, text)
    await turn.wait()
    return assistant.store.message(turn.reply_id).content


async def evaluate(model: Path, sampling: Sampling) -> None:
    table = Table("what", "turns", "share", "95 % interval", "n")

    def row(what: str, turns: str, outcomes: list[bool]) -> None:
        share = Share(sum(outcomes), len(outcomes))
        low, high = share.interval
        table.add_row(what, turns, f"{share.value:.0%}", f"{low:.0%} to {high:.0%}", str(len(outcomes)))

    with tempfile.TemporaryDirectory() as folder, Store.open(str(Path(folder) / "evaluation.db")) as store:
        assistant = Assistant(store, TransformersEngine(model))
        for orders in (0.0, ORDERS):
            what = f"style rule kept, {orders:.0%} orders" if orders else "style rule kept"
            for group, by_turn in (await keep_instruction(assistant, sampling, orders)).items():
                for first, last in BUCKETS:
                    outcomes = [kept for turn in range(first, last + 1) for kept in by_turn[turn]]
                    row(f"{what}, {group}", f"{first}" if first == last else f"{first}-{last}", outcomes)
        right = await add_up(assistant, sampling)
        row("sums right", "1", [True] * right + [False] * (SUMS - right))
        for temperature in TEMPERATURES:
            known = await know_topics(assistant, sampling.model_copy(update={"temperature": temperature}))
            row(f"topics known, temperature {temperature}", "1", known)
        await assistant.close()
    Console().print(table)


def main(
    model: Annotated[Path, typer.Option(help="Model folder.")] = BUNDLED_FOLDER,
    temperature: Annotated[float, typer.Option(help="Sampling temperature.")] = 0.5,
) -> None:
    """Print the shares."""
    seed = load().seed
    asyncio.run(evaluate(model, Sampling(temperature=temperature, top_p=0.9, max_tokens=160, seed=seed)))


if __name__ == "__main__":
    typer.run(main)
