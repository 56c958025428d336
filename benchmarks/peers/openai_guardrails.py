"""OpenAI Guardrails: its own keyword check on the output, streamed, checked at every piece, and not streamed.

The client for the model is an object of ours in place of OpenAI's, so that no HTTP is in the figures.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any

# By name: for the type checker `guardrails` is a package of this repository.
library: Any = import_module("guardrails")
keywords: Any = import_module("guardrails.checks.text.keywords")

CHECK = "Keyword Filter, noted"
NOWHERE = "http://nowhere.invalid"
MESSAGES = [{"role": "user", "content": "Tell me about the town."}]
SETTINGS = {
    "default": "stream=True: a check every 100 pieces and at the end",
    "every piece": "stream=True with check_interval 1, which no public setting reaches",
    "whole": "stream=False: all of the reply, once it is checked",
}


class Notes:
    """Where the check tells what passed: to whoever sent the text that it runs on."""

    note: Callable[[str], None]

    def register(self, spread: re.Pattern[str]) -> None:
        """Make the check known to the library."""

        async def check(ctx: Any, data: str, config: Any) -> Any:
            """The library's keyword check, and beside it a pattern, for what keywords cannot say."""
            found = await keywords.keywords(ctx, data, config)
            if not found.tripwire_triggered and spread.search(data):
                found = library.GuardrailResult(tripwire_triggered=True, info=found.info)
            if not found.tripwire_triggered:
                self.note(data)
            return found

        # The library reads from it how the check is configured.
        check.__annotations__["config"] = keywords.KeywordCfg
        library.default_spec_registry.register(CHECK, check, "", "text/plain")


class Client:
    """One arm."""

    def __init__(self, setting: str, phrase: str, notes: Notes) -> None:
        self._notes = notes
        self._streamed = setting != "whole"
        output = {"version": 1, "guardrails": [{"name": CHECK, "config": {"keywords": [phrase]}}]}
        config = {"version": 1, "output": output}
        self._client = library.GuardrailsAsyncOpenAI(config=config, api_key="none", base_url=NOWHERE)
        completions = SimpleNamespace(create=self._create)
        self._client._resource_client = SimpleNamespace(chat=SimpleNamespace(completions=completions), base_url=NOWHERE)
        if setting == "every piece":
            checked = self._client._stream_with_guardrails
            self._client._stream_with_guardrails = partial(checked, check_interval=1)

    async def stream(self, text: AsyncIterator[str], note: Callable[[str], None]) -> AsyncGenerator[str, None]:
        self._text, self._notes.note = text, note
        create = self._client.chat.completions.create
        try:
            reply = await create(model="given", messages=MESSAGES, stream=self._streamed)
            if self._streamed:
                async for chunk in reply:
                    yield chunk.choices[0].delta.content
            else:
                yield reply.choices[0].message.content
        except library.GuardrailTripwireTriggered:
            return

    async def _create(self, *, stream: bool, **options: Any) -> Any:
        """What OpenAI's client does, over the text that is given."""
        if stream:
            return self._chunks()
        message = SimpleNamespace(role="assistant", content="".join([piece async for piece in self._text]))
        return SimpleNamespace(choices=[SimpleNamespace(message=message)])

    async def _chunks(self) -> AsyncGenerator[Any, None]:
        async for piece in self._text:
            yield SimpleNamespace(choices=[SimpleNamespace(delta=SimpleNamespace(content=piece))])


def arms(arm: Any, phrase: str, spread: str) -> dict[str, Any]:
    """Each setting as an `arm`; see serve.py."""
    notes = Notes()
    notes.register(re.compile(spread))
    return {name: arm(Client(name, phrase, notes).stream, setting) for name, setting in SETTINGS.items()}
