"""From options to a server: what can be wrong is found before the model is loaded, which takes seconds."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from assistant.cli.opening import open_guard, open_library, open_model, open_store, read_settings, with_options
from assistant.engines.protocol import Engine
from assistant.errors import AssistantError
from guardrails.policy import load as load_policy


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for on the command line; `settings` go before those of the environment and the config file."""

    model: str | None
    engine: str | None
    base_url: str | None
    options: tuple[str, ...]
    db: str | None
    settings: dict[str, Any]


def run_serve(asked: Asked) -> None:
    """Serve until a signal ends it.

    Raises:
        UserError: what was asked for is not there, cannot be opened, or is not safe to serve.
    """
    settings = with_options(read_settings(), asked.base_url, asked.options).model_copy(update=asked.settings)
    try:
        from assistant.http.app import create_app
        from assistant.http.binding import address, is_local, listen
        from assistant.http.limits import Limits
        from assistant.http.logs import to_stderr
        from assistant.http.server import run
    except ModuleNotFoundError as error:
        raise AssistantError(
            f"`assistant serve` needs the package {error.name}: pip install 'steadfast[serve]'"
        ) from None
    from assistant.service import Assistant

    library = open_library(settings)
    persona = library.get(settings.persona)
    policy = load_policy(settings.guard)
    with open_store(asked.db, settings) as store, listen(settings.host, settings.port, store) as listening:
        opened = open_model(settings, asked.model, asked.engine, asked.base_url)
        guard = open_guard(policy, settings)
        app = create_app(
            [Assistant(store, engine, guard) for engine in _with_adapters(opened.engine)],
            library,
            persona=persona.name,
            limits=Limits(settings.rate_limit, settings.max_body, settings.max_running, settings.max_waiting),
            origins=settings.cors_origins,
        )
        to_stderr()
        who = "this machine alone, no key needed" if is_local(settings.host) and not store.has_keys() else "API keys"
        print(f"{address(listening)} serves {opened.engine.model} ({opened.reason}) to: {who}", file=sys.stderr)
        run(app, listening, grace=settings.grace)


def _with_adapters(engine: Engine) -> list[Engine]:
    """The engine, and what it is with each adapter that it loaded."""
    from assistant.engines.vllm_engine import VllmEngine

    if not isinstance(engine, VllmEngine):
        return [engine]
    return [engine, *(engine.with_adapter(name) for name in engine.adapters if name != engine.model)]
