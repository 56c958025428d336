"""Importing a file of conversations, in whichever known format it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assistant.errors import AssistantError
from assistant.personas.persona import Persona
from assistant.store.errors import CorruptError, DiskFullError, LockedError, StorageError, UnwritableError
from assistant.store.store import Store
from assistant.text import clean_text
from assistant.transfer import markdown
from assistant.transfer.chatgpt import read_chatgpt
from assistant.transfer.draft import NEUTRAL, Draft, ItemError, store_draft, text_of
from assistant.transfer.export import FORMAT
from assistant.transfer.openwebui import read_openwebui
from assistant.transfer.own import read_own
from assistant.transfer.sharegpt import read_turns

MAX_BYTES = 512_000_000
_KNOWN = "known are Steadfast JSON and Markdown, ShareGPT, ChatGPT and Open WebUI exports"
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")


class TransferError(AssistantError):
    """A file cannot be imported or written at all."""


@dataclass(slots=True)
class ImportReport:
    """The conversations now in the store, and what was left out, each with item and reason."""

    conversation_ids: list[int] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def import_file(store: Store, path: Path, *, persona: Persona = NEUTRAL, user_id: int | None = None) -> ImportReport:
    """Adds every conversation in the file. One that is broken is skipped and reported; the rest are imported.

    `persona` is for conversations that bring no instruction of their own; `user_id` is whose they are. Raises
    TransferError when nothing in the file can be read, and when the store fails: what came before that stays.
    """
    _refuse_database(store, path)
    text = _read(path)
    report = ImportReport()
    items = _markdown_item(text) if text.startswith(markdown.START) else _json_items(path, text, report)
    for place, item in enumerate(items, 1):
        try:
            draft = _read_item(item, persona)
            report.conversation_ids.append(store_draft(store, draft, user_id))
        except (LockedError, DiskFullError, UnwritableError, CorruptError) as error:
            done = f"{len(report.conversation_ids)} conversations were imported before"
            raise TransferError(f"{path}, {_name(place, item)}: {error} ({done})") from error
        except (ItemError, StorageError, RecursionError) as error:
            reason = "is nested too deep" if isinstance(error, RecursionError) else str(error)
            report.skipped.append(f"{path.name}, {_name(place, item)}: {reason}")
        else:
            report.skipped += [f"{path.name}, {_name(place, item)}: {loss}" for loss in draft.losses]
    if not report.conversation_ids:
        reasons = report.skipped or [f"{path} holds no conversation; {_KNOWN}"]
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        raise TransferError(f"nothing was imported: {reasons[0]}{more}")
    return report


def _refuse_database(store: Store, path: Path) -> None:
    # Opening and closing it here would drop the locks that keep other processes off its log.
    files = [] if store.path is None else [Path(f"{store.path}{end}") for end in ("", "-wal", "-shm")]
    if path.exists() and any(file.exists() and path.samefile(file) for file in files):
        raise TransferError(f"{path} is the database that conversations are kept in; give an exported file")


def _read(path: Path) -> str:
    try:
        if path.is_dir():
            raise TransferError(f"{path} is a folder; give the file in it, such as conversations.json")
        if path.exists() and not path.is_file():
            raise TransferError(f"{path} is not a regular file")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise TransferError(f"{path} cannot be read: {error.strerror or error}; check the path") from None
    if len(data) > MAX_BYTES:
        raise TransferError(f"{path} is larger than {MAX_BYTES // 1_000_000} MB; split it")
    if data.startswith(b"PK\x03\x04"):
        raise TransferError(f"{path} is a ZIP archive; unpack it and import the conversations.json in it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TransferError(f"{path} is not UTF-8 text; {_KNOWN}") from None


def _json_items(path: Path, text: str, report: ImportReport) -> Iterator[Any]:
    """The conversations in JSON or JSON lines. A line that is no JSON is reported and passed over."""
    first, _, rest = text.strip().partition("\n")
    if not first:
        raise TransferError(f"{path} is empty")
    try:
        whole = _loads(text)
    except RecursionError:
        raise TransferError(f"{path} is nested too deep; export it again") from None
    except ValueError as error:
        if not rest.strip() or not _is_object(first):
            raise TransferError(f"{path} is not valid JSON: {error}; {_KNOWN}") from None
        yield from _lines(path, text, report)
        return
    if isinstance(whole, list) and whole and all(isinstance(turn, dict) and _speaks(turn) for turn in whole):
        yield {"conversations": whole}
    elif isinstance(whole, list):
        yield from whole
    else:
        yield whole


def _lines(path: Path, text: str, report: ImportReport) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield _loads(line)
        except (ValueError, RecursionError) as error:
            report.skipped.append(f"{path.name}, line {number}: is not valid JSON: {error}")


def _markdown_item(text: str) -> Iterator[Any]:
    yield text


def _loads(text: str) -> Any:
    value = json.loads(text, parse_constant=lambda _: None)
    if _HALF_PAIR.search(text):
        return json.loads(clean_text(json.dumps(value, ensure_ascii=False)))
    return value


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _speaks(turn: dict[str, Any]) -> bool:
    return ("from" in turn and "value" in turn) or ("role" in turn and "content" in turn)


def _read_item(item: Any, persona: Persona) -> Draft:
    if isinstance(item, str) and item.startswith(markdown.START):
        return markdown.read_markdown(item)
    if isinstance(item, dict):
        if item.get("format") == FORMAT:
            return read_own(item)
        if "mapping" in item:
            return read_chatgpt(item, persona)
        if isinstance(item.get("chat"), dict):
            # A ChatGPT conversation that went through Open WebUI keeps its shape inside `chat`.
            chat = item["chat"]
            return read_chatgpt(chat, persona) if "mapping" in chat else read_openwebui(item, persona)
        if isinstance(item.get("conversations", item.get("messages")), list):
            return read_turns(item, persona)
    raise ItemError(f"is of no known format; {_KNOWN}")


def _name(place: int, item: Any) -> str:
    title = ""
    if isinstance(item, dict):
        chat = item.get("chat")
        title = text_of(item.get("title")) or (text_of(chat.get("title")) if isinstance(chat, dict) else "")
    title = "".join(filter(str.isprintable, " ".join(title.split())))
    return f"conversation {place}" + (f" ({title:.60})" if title else "")
