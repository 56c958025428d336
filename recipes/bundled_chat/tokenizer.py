"""Byte-level BPE tokenizer with the chat's control tokens.

Run `python -m recipes.bundled_chat.tokenizer --data DIR --out DIR`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recipes.bundled_chat.config import HERE, Recipe, load
from recipes.bundled_chat.corpus import rows, text_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

CONTROL_TOKENS = ["<pad>", "<s>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
# GPT-2's word pattern, but digits stand alone so that sums can be learned.
WORDS = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""


def fast_tokenizer(texts: Iterable[str], vocabulary: int, window: int) -> PreTrainedTokenizerFast:
    """A tokenizer of `vocabulary` tokens for `texts`, with the bundled chat template."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=CONTROL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="<|end|>",
        pad_token="<pad>",
        extra_special_tokens=["<|system|>", "<|user|>", "<|assistant|>"],
        model_max_length=window,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = (HERE / "chat_template.jinja").read_text()
    return fast


def train(recipe: Recipe, data: Path, out: Path) -> None:
    """Train on the recipe's sources and save a Hugging Face tokenizer folder to `out`/tokenizer."""
    texts = (text_of(document) for source in recipe.sources for document in rows(data, source))
    shape = recipe.architecture
    fast_tokenizer(texts, shape.vocabulary, shape.window).save_pretrained(out / "tokenizer")


def main(
    data: Annotated[Path, typer.Option(help="Folder of *.jsonl.xz files.")],
    out: Annotated[Path, typer.Option(help="Working folder of the recipe.")],
) -> None:
    """Train the tokenizer."""
    train(load(), data, out)
    print(f"tokenizer written to {out / 'tokenizer'}")


if __name__ == "__main__":
    typer.run(main)
