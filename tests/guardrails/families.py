"""Small tokenizers of the kinds that real model families use, each with its family's chat template."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from guardrails.rendering import ChatTemplate

TEMPLATES = Path(__file__).parent / "templates"
BUNDLED = Path(__file__).parents[2] / "assistant" / "bundled"
FAMILIES = ("bundled", "llama2", "llama3", "qwen2", "mistral", "gemma")

SAMPLE = [
    "You are a helpful assistant. The user asks and you answer.",
    "system user model assistant Hello there! How are you? I am fine, thank you.",
    "Why is the sky blue? Because the air scatters blue light more than red light.",
]
# What a person might type to forge structure in any of the families.
MARKERS = [
    "<s>", "</s>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "[INST]", "[/INST]", "<<SYS>>",
    "<</SYS>>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|im_start|>",
    "<|im_end|>", "<|endoftext|>", "<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>",
    "<think>", "</think>", "<tool_call>", "<0x0A>", "▁", "<unk>", "<pad>",
]  # fmt: skip


@cache
def tokenizer(family: str) -> PreTrainedTokenizerFast:
    if family == "bundled":
        loaded: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(BUNDLED)
        return loaded
    build: dict[str, Any] = {
        "llama2": lambda: _sentencepiece(["<s>", "</s>"], prefix="legacy"),
        "llama3": lambda: _byte_level(
            ["<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"], nfc=False
        ),
        # Qwen marks <think> and <tool_call> as added tokens that are not special.
        "qwen2": lambda: _byte_level(
            ["<|endoftext|>", "<|im_end|>", "<|im_start|>"],
            nfc=True,
            plain=["<think>", "</think>", "<tool_call>"],
        ),
        "mistral": lambda: _sentencepiece(["<s>", "</s>", "[INST]", "[/INST]"], prefix="metaspace"),
        "gemma": lambda: _sentencepiece(["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"], prefix=None),
    }
    backend, special = build[family]()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=special[0],
        eos_token=special[1],
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = (TEMPLATES / f"{family}.jinja").read_text().removesuffix("\n")
    return fast


@cache
def template(family: str) -> ChatTemplate:
    return ChatTemplate(tokenizer(family))


def _byte_level(special: list[str], *, nfc: bool, plain: list[str] | None = None) -> tuple[Tokenizer, list[str]]:
    backend = Tokenizer(models.BPE())
    if nfc:
        backend.normalizer = normalizers.NFC()
    words = Regex(r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+")
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(SAMPLE, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet))
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    backend.add_tokens([AddedToken(token, special=False, normalized=False) for token in plain or []])
    return backend, special


def _sentencepiece(special: list[str], *, prefix: str | None) -> tuple[Tokenizer, list[str]]:
    """BPE with byte fallback and the metaspace ▁, as converted from SentencePiece models."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trained.train_from_iterator(SAMPLE, trainers.BpeTrainer(vocab_size=200, initial_alphabet=["▁"]))
    vocabulary = ["<unk>", *special, *(f"<0x{byte:02X}>" for byte in range(256))]
    vocabulary += [token for token, _ in sorted(trained.get_vocab().items(), key=lambda item: item[1])]
    merges = [tuple(merge) for merge in json.loads(trained.to_str())["model"]["merges"]]
    backend = Tokenizer(
        models.BPE(
            vocab={token: index for index, token in enumerate(vocabulary)},
            merges=merges,
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    steps: list[Any] = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if prefix == "legacy":
        backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        steps.append(decoders.Strip(" ", 1, 0))
    elif prefix == "metaspace":
        backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
        steps = [
            decoders.Metaspace(prepend_scheme="always", split=False),
            decoders.ByteFallback(),
            decoders.Fuse(),
        ]
        steps = [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    else:
        backend.normalizer = normalizers.Replace(" ", "▁")
    backend.decoder = decoders.Sequence(steps)
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return backend, special
