"""`assistant chat`."""

from __future__ import annotations

import typer

from assistant.cli import options


def chat(
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
    db: options.Database = None,
) -> None:
    """Talk with a persona.

    At a terminal: streaming Markdown, /help for the commands, Ctrl-C to stop a reply. With input from a pipe:
    one message a line, each answered in plain text, until the end of the input.

    \b
    Examples:
      assistant chat
      assistant chat --persona pirate --temperature 0.3
      assistant chat --system "You answer in one short sentence."
      assistant chat --continue
      assistant chat --model ~/models/Qwen2.5-0.5B-Instruct
      assistant chat --engine vllm --model ~/models/Qwen2.5-7B-Instruct -o context=8192
      assistant chat --base-url http://127.0.0.1:11434/v1 --model qwen2.5:7b
      printf 'Hello!\\nWho are you?\\n' | assistant chat --persona chef
    """
    from assistant.cli.preparing import Wanted, sampling_overrides
    from assistant.cli.session import run_chat

    wanted = Wanted(persona, system, model, engine, guard, newest, conversation, db, base_url, tuple(option or ()))
    overrides = sampling_overrides(temperature=temperature, top_p=top_p, max_tokens=max_tokens, seed=seed)
    raise typer.Exit(run_chat(wanted, overrides))
