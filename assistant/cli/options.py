"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

# What databases and random generators take.
LARGEST = 2**63 - 1

Database = Annotated[
    str | None,
    typer.Option("--db", metavar="FILE|URL", help="Database: a file or any SQLAlchemy URL [env: ASSISTANT_DB]."),
]
PersonaName = Annotated[
    str | None, typer.Option("--persona", "-p", metavar="NAME", help="Who answers; see `assistant personas list`.")
]
Model = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="NAME|PATH", help="A model's name, or a local Hugging Face model folder."),
]
EngineName = Annotated[
    str | None,
    typer.Option("--engine", metavar="NAME", help="auto, transformers, vllm or openai; see docs/engines.md."),
]
BaseUrl = Annotated[
    str | None,
    typer.Option("--base-url", metavar="URL", help="An OpenAI-compatible server, such as http://127.0.0.1:8000/v1."),
]
EngineOptions = Annotated[
    list[str] | None,
    typer.Option("--option", "-o", metavar="NAME=VALUE", help="A setting of the engine, such as context=8192."),
]
GuardName = Annotated[
    str | None,
    typer.Option("--guard", metavar="NAME|FILE", help="Safety policy: strict, balanced, monitor, off, or a TOML file."),
]
Continue = Annotated[bool, typer.Option("--continue", "-c", help="Go on with the latest conversation.")]
ConversationId = Annotated[
    int | None, typer.Option("--conversation", metavar="ID", min=1, max=LARGEST, help="Go on with this conversation.")
]
System = Annotated[
    str | None, typer.Option("--system", metavar="TEXT", help="An instruction of your own instead of a persona.")
]
Temperature = Annotated[
    float | None, typer.Option("--temperature", min=0, max=2, help="0 always takes the likeliest word.")
]
TopP = Annotated[float | None, typer.Option("--top-p", min=0.001, max=1, help="Share of likely words kept.")]
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", min=1, max=32768, help="Limit of a reply.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, max=LARGEST, help="Makes replies repeatable.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Id = Annotated[int, typer.Argument(metavar="ID", min=1, max=LARGEST, help="A conversation's number.")]
File = Annotated[Path, typer.Argument(metavar="FILE", exists=False)]
