"""Chats into token ids: the one place where control tokens are made.

The chat engine, the trainer's loss mask, the evaluator and the reward model all call `ChatTemplate.render`,
so training and inference cannot differ. A chat template is rendered with an unguessable placeholder for every
message; the template's own text and the messages are then encoded apart, by two tokenizers. Only the first of
them knows control tokens, so whatever a person types (`</s>`, `[INST]`, `<|system|>`) stays text.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guardrails.messages import Message

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

# A literal of the template that looks like a marker although the tokenizer has no control token for it,
# such as Llama 2's [INST] and <<SYS>>.
TEXT_MARKER = re.compile(r"<<?/?[^\s<>]+>>?|\[/?[^\s\[\]]+\]")


class RenderingError(ValueError):
    """The messages or the template cannot be rendered; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Span:
    """Token positions `start` up to, not including, `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """Token ids of a chat, and for each message, in order, where its text lies in them."""

    ids: list[int]
    spans: list[Span]


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder. Raises RenderingError naming what is missing.

    Not by AutoTokenizer, which imports torch and all of its compiler: seconds that a chat does not have.
    """
    from transformers import PreTrainedTokenizerFast

    if not (folder / "tokenizer.json").is_file():
        raise RenderingError(f"{folder} has no tokenizer.json: save its tokenizer as a fast tokenizer")
    try:
        tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the parsers behind it raise what they like
        raise RenderingError(f"the tokenizer in {folder} cannot be read: {error}") from error
    return tokenizer


class ChatTemplate:
    """A model's tokenizer and chat template, safe to render anybody's text with.

    Immutable after construction and safe to share between threads: the special-token switch of the underlying
    tokenizer is set once on a private copy instead of being toggled per call (toggling races).
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Wrap a fast tokenizer. Raises RenderingError if it has no chat template or no fast backend."""
        if not getattr(tokenizer, "chat_template", None):
            raise RenderingError("the tokenizer has no chat template: add chat_template.jinja to the model's folder")
        if not getattr(tokenizer, "is_fast", False):
            raise RenderingError("only fast tokenizers can be rendered safely: convert it to tokenizer.json")
        self._tokenizer = tokenizer
        backend: Any = tokenizer.backend_tokenizer
        serialised = backend.to_str()
        self._markup = _bare(serialised, control=True)
        self._text = _bare(serialised, control=False)
        added: dict[int, Any] = backend.get_added_tokens_decoder()
        unknown = _unknown(tokenizer, serialised)
        self.control_ids: frozenset[int] = frozenset(id for id, token in added.items() if token.content != unknown)
        self._encode_cached = lru_cache(maxsize=4096)(self._encode_text)
        self._system_role = self._keeps_system_role()
        self._spelled_out = self._find_spelled_out()

    @classmethod
    def from_folder(cls, folder: Path) -> ChatTemplate:
        """Load the tokenizer and template of a local Hugging Face model folder."""
        return cls(load_tokenizer(folder))

    @property
    def folds_system(self) -> bool:
        """Whether the instruction goes into the first user message, the template having no system role."""
        return not self._system_role

    @property
    def stop_ids(self) -> frozenset[int]:
        """Ids that end a reply: the tokenizer's end of sequence and the token the template closes replies with."""
        probe = [Message("user", "a"), Message("assistant", "b")]
        rendered = self.render(probe, add_generation_prompt=False)
        closing = [i for i in rendered.ids[rendered.spans[-1].end :] if i in self.control_ids]
        eos = self._tokenizer.eos_token_id
        return frozenset(closing[:1]) | (frozenset([eos]) if isinstance(eos, int) else frozenset())

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool = True) -> Rendered:
        """Token ids of `messages`, with the span of every message's text.

        One system message at most, first; then user and assistant messages by turns. With
        `add_generation_prompt` the ids end where the assistant's reply begins.

        Raises:
            RenderingError: roles out of order, text that is not valid Unicode, or a template that drops,
                repeats or reorders messages.
        """
        check_order(messages)
        nonce = secrets.token_hex(16)
        holders = [f"\ue000{nonce}x{index}\ue001" for index in range(len(messages))]
        chat = self._as_dicts(messages, holders)
        skeleton = self._apply(chat, add_generation_prompt)
        pieces = re.split(f"\ue000{nonce}x(\\d+)\ue001", skeleton)
        order = [int(index) for index in pieces[1::2]]
        if order != list(range(len(messages))):
            raise RenderingError(
                "the chat template drops, repeats or reorders messages: "
                f"gave {len(messages)}, it rendered {order}. Fix the template; see `gatt audit-template`"
            )
        ids: list[int] = []
        spans: list[Span] = []
        for position, piece in enumerate(pieces):
            if position % 2 == 0:
                ids.extend(self._markup.encode(piece, add_special_tokens=False).ids)
            else:
                start = len(ids)
                ids.extend(self.encode(messages[int(piece)].content))
                spans.append(Span(start, len(ids)))
        return Rendered(ids, spans)

    def encode(self, text: str) -> tuple[int, ...]:
        """Token ids of plain text, never a control id. Raises RenderingError for lone surrogates."""
        return self._encode_cached(text)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, exactly as encoded: no clean-up, control tokens left visible."""
        return str(self._text.decode(list(ids), skip_special_tokens=False))

    def count(self, text: str) -> int:
        """How many tokens `text` takes as the text of a message."""
        return len(self.encode(text))

    def _encode_text(self, text: str) -> tuple[int, ...]:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise RenderingError(
                f"text is not valid Unicode (lone surrogate at character {error.start}): replace it first"
            ) from None
        ids: list[int] = []
        position = 0
        for match in self._spelled_out.finditer(text) if self._spelled_out else ():
            ids.extend(self._text.encode(text[position : match.start()], add_special_tokens=False).ids)
            for character in match.group():
                ids.extend(self._spell(character))
            position = match.end()
        ids.extend(self._text.encode(text[position:], add_special_tokens=False).ids)
        if not self.control_ids.isdisjoint(ids):
            raise RenderingError("the tokenizer turned plain text into a control token: refusing to render it")
        return tuple(ids)

    def _spell(self, character: str) -> list[int]:
        """Ids of one character's bytes where the vocabulary has byte tokens, else the character by itself."""
        names = [f"<0x{byte:02X}>" for byte in character.encode()]
        ids = [self._text.token_to_id(name) for name in names]
        known = [i for i in ids if i is not None]
        if len(known) < len(ids):
            return list(self._text.encode(character, add_special_tokens=False).ids)
        return known

    def _as_dicts(self, messages: Sequence[Message], holders: list[str]) -> list[dict[str, str]]:
        chat = [{"role": m.role, "content": holder} for m, holder in zip(messages, holders, strict=True)]
        if chat[0]["role"] == "system" and not self._system_role:
            if len(chat) == 1:
                raise RenderingError("this template has no system role: an instruction needs a user message")
            chat[1]["content"] = f"{chat[0]['content']}\n\n{chat[1]['content']}"
            del chat[0]
        return chat

    def _apply(self, chat: list[dict[str, str]], add_generation_prompt: bool) -> str:
        from jinja2 import TemplateError

        try:
            return str(
                self._tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=add_generation_prompt)
            )
        except TemplateError as error:
            raise RenderingError(f"the chat template refuses this conversation: {error}") from None

    def _keeps_system_role(self) -> bool:
        system, user = secrets.token_hex(8), secrets.token_hex(8)
        try:
            text = self._apply([{"role": "system", "content": system}, {"role": "user", "content": user}], True)
        except RenderingError:
            return False
        return text.count(system) == 1 and text.count(user) == 1 and text.index(system) < text.index(user)

    def _find_spelled_out(self) -> re.Pattern[str] | None:
        """What is encoded character by character, so that it decodes to what was typed but means nothing more.

        The template's bracketed literals that are no control tokens (Llama 2's [INST]): spelled out, they do not
        have the ids that the template makes and the model was trained on. And the character that SentencePiece
        vocabularies write for a space, which would decode to a space.
        """
        chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        if self._system_role:
            chat.insert(0, {"role": "system", "content": "c"})
        text = self._apply([*chat, {"role": "user", "content": "d"}], True)
        added = self._tokenizer.get_added_vocab()
        patterns = {found for found in TEXT_MARKER.findall(text) if found not in added}
        if self._text.token_to_id("<0xE2>") is not None:
            patterns.add("\u2581")
        longest_first = sorted(patterns, key=len, reverse=True)
        return re.compile("|".join(re.escape(p) for p in longest_first)) if patterns else None


def check_order(messages: Sequence[Message]) -> None:
    if not messages:
        raise RenderingError("there is nothing to render: give at least one message")
    expected = "user"
    for index, message in enumerate(messages):
        if message.role == "system" and index == 0:
            continue
        if message.role != expected:
            raise RenderingError(f"message {index + 1} is from {message.role}, but {expected} is next")
        expected = "assistant" if expected == "user" else "user"


def _bare(serialised: str, *, control: bool) -> Tokenizer:
    """A private copy of a tokenizer that adds and rewrites nothing, so that pieces can be encoded apart and joined.

    Prefix spaces, normalisation and truncation are switched off, so decoding gives back what was encoded.
    Without `control`, added tokens are never matched in text, not even those that are not marked special
    (such as `</think>`), which `encode_special_tokens` alone would let through.
    """
    from tokenizers import Tokenizer as Backend

    spec = json.loads(serialised)
    spec["truncation"] = spec["padding"] = None
    spec["normalizer"] = _only_needed(spec["normalizer"])
    spec["pre_tokenizer"] = _without_prefix(spec["pre_tokenizer"])
    spec["decoder"] = _without_prefix(spec["decoder"])
    if not control:
        for token in spec["added_tokens"]:
            token["special"] = True
    copy = Backend.from_str(json.dumps(spec))
    copy.encode_special_tokens = not control
    return copy


# Without them a vocabulary does not know what people type: SentencePiece's space, or in encoders capitals and accents.
NEEDED_NORMALIZERS = ("Replace", "BertNormalizer", "Lowercase", "StripAccents", "NFD", "NFKD")


def _only_needed(normalizer: dict[str, Any] | None) -> dict[str, Any] | None:
    """Keep the normalisers that a vocabulary was made with; drop NFC, prefixes, strips."""
    if normalizer is None:
        return None
    if normalizer["type"] == "Sequence":
        kept = [k for part in normalizer["normalizers"] if (k := _only_needed(part))]
        return {"type": "Sequence", "normalizers": kept} if kept else None
    return normalizer if normalizer["type"] in NEEDED_NORMALIZERS else None


def _unknown(tokenizer: PreTrainedTokenizerBase, serialised: str) -> str | None:
    """What the vocabulary has for text it does not know, unless that also begins or ends texts."""
    model = json.loads(serialised)["model"]
    number = model.get("unk_id")
    name = model.get("unk_token") if number is None else model["vocab"][number][0]
    edges = (tokenizer.bos_token, tokenizer.eos_token, tokenizer.cls_token, tokenizer.sep_token)
    return None if name in edges else name


def _without_prefix(component: dict[str, Any] | None) -> dict[str, Any] | None:
    """A pre-tokenizer or decoder that neither adds nor strips a leading space."""
    if component is None:
        return None
    component = dict(component)
    for field in ("pretokenizers", "decoders"):
        if field in component:
            parts = [part for part in component[field] if part["type"] != "Strip"]
            component[field] = [_without_prefix(part) for part in parts]
    if component["type"] == "Metaspace":
        component["prepend_scheme"] = "never"
    if component["type"] == "ByteLevel":
        component["add_prefix_space"] = False
    return component
