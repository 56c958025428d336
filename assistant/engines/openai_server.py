"""What an OpenAI-compatible server says of itself: its models, their window, and whether our tokenizer is theirs."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from assistant.engines.errors import EngineError
from assistant.settings import OpenAISettings
from guardrails.errors import first_line
from guardrails.rendering import RenderingError, load_tokenizer

CONNECT_SECONDS = 10.0
# The window where neither server nor settings tell it: what local servers give a model unless told otherwise.
WINDOW = 4096
# Text that tokenizers are told apart by; the control tokens of the model are added to it.
PROBE = "Grüße, 世界! It's 3.14159 o'clock — naïve\n\n\tdef f(x): return x**2  # 🙂 "


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers. `tokenizer` is the folder of the model's tokenizer, if it was found to be the same."""

    base_url: str
    model: str
    window: int
    window_known: bool
    tokenizer: Path | None


def look(settings: OpenAISettings, model: str | None = None) -> Server:
    """Ask the server what it has (blocking).

    Raises:
        EngineError: there is no address, no answer, or no such model.
    """
    if settings.base_url is None:
        raise EngineError("--engine openai needs a server: --base-url http://127.0.0.1:8000/v1, or `assistant setup`")
    with httpx2.Client(headers=headers(settings), timeout=CONNECT_SECONDS) as client:
        base, listed = _models(client, settings.base_url.rstrip("/"))
        entry = _choose(listed, model)
        known = entry.get("max_model_len")
        window = settings.context or (known if isinstance(known, int) else None)
        tokenizer = _same_tokenizer(client, base, settings, entry, listed)
    return Server(base, str(entry["id"]), window or WINDOW, window is not None, tokenizer)


def headers(settings: OpenAISettings) -> dict[str, str]:
    return {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"} if settings.api_key else {}


def names(settings: OpenAISettings) -> list[str]:
    """The models of the server (blocking). Raises EngineError where it does not answer."""
    assert settings.base_url is not None
    with httpx2.Client(headers=headers(settings), timeout=CONNECT_SECONDS) as client:
        return [str(entry["id"]) for entry in _models(client, settings.base_url.rstrip("/"))[1]]


def _models(client: httpx2.Client, base: str) -> tuple[str, list[dict[str, Any]]]:
    """The address that has the API, with `/v1` or without, and its list of models."""
    addresses = [base] if base.endswith("/v1") else [f"{base}/v1", base]
    for address in addresses:
        try:
            response = client.get(f"{address}/models")
        except httpx2.HTTPError as error:
            raise EngineError(f"no server answers at {address} ({first_line(error)}): is it running?") from error
        if response.status_code in (401, 403):
            raise EngineError(
                f"the server at {address} refuses the key ({response.status_code}): set ASSISTANT_OPENAI_API_KEY, "
                "or api_key under [openai] in config.toml"
            )
        try:
            data = response.json().get("data") if response.status_code == 200 else None
        except (ValueError, AttributeError):
            data = None
        if isinstance(data, list):
            return address, [entry for entry in data if isinstance(entry, dict) and entry.get("id")]
    raise EngineError(
        f"{base} has no OpenAI-compatible API: {addresses[0]}/models answers with {response.status_code} and no list"
    )


def _choose(listed: list[dict[str, Any]], model: str | None) -> dict[str, Any]:
    found = {str(entry["id"]): entry for entry in listed}
    if model in found:
        return found[model]
    if model is None and len(listed) == 1:
        return listed[0]
    shown = ", ".join(sorted(found)[:8]) + (", ..." if len(found) > 8 else "")
    if model is None:
        raise EngineError(f"choose one of the server's models with --model: {shown or 'it lists none'}")
    near = difflib.get_close_matches(model, found, n=1)
    raise EngineError(f"the server has no model '{model}': {f'did you mean {near[0]}?' if near else f'it has {shown}'}")


def _same_tokenizer(
    client: httpx2.Client, base: str, settings: OpenAISettings, entry: dict[str, Any], listed: list[dict[str, Any]]
) -> Path | None:
    """A folder here whose tokenizer makes the ids that the server's does; None where there is none.

    Raises:
        EngineError: the one that the settings name does not.
    """
    for folder in _tokenizer_folders(settings, entry, listed):
        try:
            tokenizer: Any = load_tokenizer(folder)
        except RenderingError:
            continue
        text = PROBE + "".join(tokenizer.get_added_vocab())
        ours = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
        asked = {"model": entry["id"], "prompt": text, "add_special_tokens": False}
        try:
            answer = client.post(f"{base.removesuffix('/v1')}/tokenize", json=asked)
            theirs = answer.json().get("tokens")
        except (httpx2.HTTPError, ValueError, AttributeError):
            theirs = None
        if theirs == ours:
            return folder
        if folder == settings.tokenizer:
            why = "is not the server's: it makes other ids" if theirs else "cannot be compared: it has no /tokenize"
            raise EngineError(f"the tokenizer in {folder} {why}; leave out `tokenizer` to send messages instead")
    return None


def _tokenizer_folders(settings: OpenAISettings, entry: dict[str, Any], listed: list[dict[str, Any]]) -> Iterator[Path]:
    """The folder of the settings, else where the server says that it loaded the model, or its base, from."""
    if settings.tokenizer is not None:
        yield settings.tokenizer
        return
    base = next((other for other in listed if other["id"] == entry.get("parent")), {})
    for place in (entry.get("root"), base.get("root"), entry["id"]):
        if isinstance(place, str) and Path(place).is_dir():
            yield Path(place)
