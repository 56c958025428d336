"""`assistant ask`."""

from __future__ import annotations

from typing import Annotated

import typer

from assistant.cli import options


def ask(
    text: Annotated[str, typer.Argument(metavar="[TEXT]", help="What to ask.")] = "",
    persona: options.PersonaName = None,
    model: options.Model = None,
    engine: options.EngineName = None,
    base_url: options.BaseUrl = None,
    option: options.EngineOptions = None,
    guard: options.GuardName = None,
    newest: options.Continue = False,
    conversation: options.ConversationId = None,
    system: options.System = None,
    temperature: options.Temperature = None,
    top_p: options.TopP = None,
    max_tokens: options.MaxTokens = None,
    seed: options.Seed = None,
    json: options.AsJson = False,
    db: options.Database = None,
) -> None:
    """Ask one question and print the reply.

    What is piped in comes before the question. The exchange is stored like any conversation.

    \b
    Examples:
      assistant ask "Why is the sky blue?"
      assistant ask --persona poet "A line about rain"
      cat notes.txt | assistant ask "Summarise this"
      assistant ask --continue "And at night?"
      assistant ask --json "Hello" | jq -r .reply
      assistant ask --base-url http://127.0.0.1:8000/v1 "Hello"
    """
    from assistant.cli.one_shot import run_ask
    from assistant.cli.preparing import Wanted, sampling_overrides

    wanted = Wanted(persona, system, model, engine, guard, newest, conversation, db, base_url, tuple(option or ()))
    overrides = sampling_overrides(temperature=temperature, top_p=top_p, max_tokens=max_tokens, seed=seed)
    raise typer.Exit(run_ask(wanted, overrides, text, as_json=json))
