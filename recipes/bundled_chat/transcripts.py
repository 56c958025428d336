"""Sixty replies over ten personas, unpicked, as Markdown: `python -m recipes.bundled_chat.transcripts > file.md`.

One conversation a persona, its own sampling settings, seed 1, through the same pipeline as any chat.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Annotated

import typer

from assistant.engines.catalog import BUNDLED_FOLDER
from assistant.engines.transformers_engine import TransformersEngine
from assistant.personas.library import PersonaLibrary
from assistant.service import Assistant
from assistant.store.store import Store
from recipes.bundled_chat.config import HERE

SEED = 1


async def converse(model: Path, questions: dict[str, list[str]]) -> None:
    library = PersonaLibrary()
    with tempfile.TemporaryDirectory() as folder, Store.open(str(Path(folder) / "chat.db")) as store:
        assistant = Assistant(store, TransformersEngine(model))
        for name, texts in questions.items():
            persona = library.get(name)
            conversation = store.create_conversation(store.save_persona(persona).id)
            print(f"\n### {persona.title}\n")
            for text in texts:
                turn = await assistant.send(
                    conversation.id, text, sampling=persona.sampling.model_copy(update={"seed": SEED})
                )
                await turn.wait()
                reply = store.message(turn.reply_id).content.replace("\n", "<br>")
                print(f"- **{text}**<br>{reply}", flush=True)
        await assistant.close()


def main(
    model: Annotated[Path, typer.Option(help="Model folder.")] = BUNDLED_FOLDER,
    questions: Annotated[Path, typer.Option(help="TOML of persona = [questions].")] = HERE / "questions.toml",
) -> None:
    """Print the transcripts."""
    asyncio.run(converse(model, tomllib.loads(questions.read_text())))
    sys.stdout.flush()


if __name__ == "__main__":
    typer.run(main)
