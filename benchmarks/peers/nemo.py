"""NeMo Guardrails: its own regex rail on the output, as it is set by default and as it shows least.

Every arm is a server that is already up: the rails are made once. The model is an object of ours in place of a
provider's client, so that no HTTP is in the figures.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

# By name: the type checker runs where the library is not.
nemo: Any = import_module("nemoguardrails")
library: Any = import_module("nemoguardrails.library.regex.actions")

HELD = {"stream_first": False}
SHORT = HELD | {"chunk_size": 20, "context_size": 10}
EVERY = HELD | {"chunk_size": 1, "context_size": 100_000}


@dataclass(frozen=True, slots=True)
class Setting:
    """`streaming` is what of `rails.output.streaming` is not its default; None: no rail at all.

    `late_ms` is the time a judge would take that is a model elsewhere; the regex is looked for after it.
    """

    said: str
    streaming: dict[str, Any] | None
    late_ms: int = 0


SETTINGS = {
    "no rails": Setting("what the framework itself takes", None),
    "default": Setting("chunk_size 200, context_size 50, stream_first True", {}),
    "hold 200/50": Setting("the default with stream_first False", HELD),
    "hold 20/10": Setting("chunk_size 20, context_size 10, stream_first False: our first window has 16 tokens", SHORT),
    "hold 1/all": Setting("chunk_size 1, context_size 100,000, stream_first False: all so far at every token", EVERY),
    "hold 20/10, judge 20 ms": Setting("the same with a rail that answers after 20 ms", SHORT, 20),
    "hold 1/all, judge 20 ms": Setting("the same with a rail that answers after 20 ms", EVERY, 20),
}
MESSAGES = [{"role": "user", "content": "Tell me about the town."}]


class GivenModel:
    """NeMo's `LLMModel` protocol over a text that is given."""

    model_name = "given"
    provider_name = "benchmark"
    provider_url = None

    def __init__(self) -> None:
        self.text: AsyncIterator[str] | None = None

    async def generate_async(self, prompt: Any, *, stop: Any = None, **options: Any) -> Any:
        return nemo.LLMResponse(content="".join([piece async for piece in self._taken()]))

    async def stream_async(self, prompt: Any, *, stop: Any = None, **options: Any) -> AsyncGenerator[Any, None]:
        async for piece in self._taken():
            yield nemo.LLMResponseChunk(delta_content=piece)

    def _taken(self) -> AsyncIterator[str]:
        if self.text is None:
            raise RuntimeError("the rails asked the model twice")
        text, self.text = self.text, None
        return text


class Rails:
    """One arm. `_note` is told what the rail passed."""

    _note: Callable[[str], None]

    def __init__(self, patterns: list[str], setting: Setting) -> None:
        rails: dict[str, Any] = {}
        if setting.streaming is not None:
            rails["output"] = {"flows": ["regex check output"], "streaming": {"enabled": True, **setting.streaming}}
            rails["config"] = {"regex_detection": {"output": {"patterns": patterns}}}
        self._late_ms = setting.late_ms
        self._model = GivenModel()
        config = nemo.RailsConfig.from_content(config={"models": [], "rails": rails})
        self._rails = nemo.LLMRails(config, llm=self._model)
        self._rails.register_action(self._detect, "detect_regex_pattern")

    async def _detect(self, source: str, text: str, config: Any, **rest: Any) -> Any:
        if self._late_ms:
            await asyncio.sleep(self._late_ms / 1000)
        outcome = await library.detect_regex_pattern(source=source, text=text, config=config, **rest)
        if not outcome.is_blocked:
            self._note(text)
        return outcome

    async def stream(self, text: AsyncIterator[str], note: Callable[[str], None]) -> AsyncGenerator[str, None]:
        self._model.text, self._note = text, note
        async for piece in self._rails.stream_async(messages=MESSAGES):
            if piece.startswith('{"error"'):
                # A block is told in the text itself. The rails then still read the model's text to its end.
                if json.loads(piece)["error"]["code"] != "content_blocked":
                    raise RuntimeError(piece)
                continue
            yield piece


def arms(arm: Any, phrase: str, spread: str) -> dict[str, Any]:
    """Each setting as an `arm`; see serve.py."""
    patterns = [re.escape(phrase), spread]
    return {name: arm(Rails(patterns, its).stream, its.said, its.late_ms > 0) for name, its in SETTINGS.items()}
