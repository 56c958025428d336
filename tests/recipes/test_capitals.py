"""The vocabulary with capitals: what is cut as before, what is cut alike in capitals, and the rows of the model."""

import json
import re
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from assistant.engines.catalog import BUNDLED_FOLDER
from guardrails.rendering import load_tokenizer
from recipes.bundled_chat import capitals
from recipes.bundled_chat.tokenizer import fast_tokenizer

SMALL = [
    "the nurse nods and the north wind blows. the owner of the inn knows the ones who own it. don't run!",
    "weather and feather, father and mother, other and another; 12 cats sat on 30 mats",
]
TITLED = [*SMALL, "The Nurse and The Owner. Nora went North. AI and OK are ON and AT the INN.", "naïve café"]


def wide(tokenizer: Tokenizer) -> Tokenizer:
    written = json.loads(tokenizer.to_str())
    return Tokenizer.from_str(json.dumps({**written, "model": capitals.widened(written["model"])}))


small, titled = (fast_tokenizer(texts, 400, 64).backend_tokenizer for texts in (SMALL, TITLED))
SMALL_WIDE, TITLED_WIDE = wide(small), wide(titled)
text = st.text(st.characters(codec="utf-8"), max_size=60) | st.text("aehnorstwHNORTAI '.", max_size=60)


@given(text=text)
def test_whatever_has_no_capitals_is_cut_as_before(text: str) -> None:
    before = re.sub("[A-Z]", "", text)
    assert TITLED_WIDE.encode(before).ids == titled.encode(before).ids


@given(text=text)
def test_every_text_comes_back(text: str) -> None:
    assert TITLED_WIDE.decode(TITLED_WIDE.encode(text).ids) == titled.decode(titled.encode(text).ids)


@given(text=st.text("abcdefghijklmnopqrstuvwxyz ", max_size=60))
def test_capitals_are_cut_as_small_letters_where_all_merges_are_of_small_letters(text: str) -> None:
    tokens = SMALL_WIDE.encode(text).tokens
    assert SMALL_WIDE.encode(text.upper()).tokens == [token.upper() for token in tokens]


def test_tokens_that_were_there_keep_their_numbers_and_none_comes_twice() -> None:
    before, after = titled.get_vocab(), TITLED_WIDE.get_vocab()
    assert after.items() >= before.items()
    assert sorted(after.values()) == list(range(len(after)))
    assert wide(TITLED_WIDE).get_vocab() == after


def test_no_twin_of_letters_that_are_no_ascii() -> None:
    """Byte-level tokens of other letters are bytes: their capitals would be bytes of something else."""
    fresh = TITLED_WIDE.get_vocab().keys() - titled.get_vocab().keys()
    assert fresh
    assert all(re.fullmatch("\u0120?[A-Z]+", token) for token in fresh)


def test_of_the_bundled_vocabulary_each_word_is_one_token_in_capitals_too() -> None:
    tokenizer = load_tokenizer(BUNDLED_FOLDER)
    words = [token for token in tokenizer.get_vocab() if re.fullmatch("\u0120[a-z]{2,}", token)]
    assert len(words) > 2000
    whole = sum(len(tokenizer.encode(f" {word[1:].upper()}", add_special_tokens=False)) == 1 for word in words)
    assert whole / len(words) > 0.97


def test_a_twin_s_row_is_the_mean_of_what_it_stands_for_moved_to_the_capitals() -> None:
    torch.manual_seed(0)
    before, after = titled.get_vocab(), TITLED_WIDE.get_vocab()
    config = LlamaConfig(
        vocab_size=len(before), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        tie_word_embeddings=True,
    )  # fmt: skip
    model: Any = LlamaForCausalLM(config)
    ids = torch.tensor([titled.encode("the nurse nods").ids])
    with torch.no_grad():
        old_rows, old = model.get_input_embeddings().weight.clone(), model(ids).logits
        capitals.widen(model, before, after)
        rows, logits = model.get_input_embeddings().weight, model(ids).logits
    assert rows.shape == (len(after), 16)
    assert model.get_output_embeddings().weight is rows
    assert torch.equal(rows[: len(before)], old_rows)
    assert torch.allclose(logits[..., : len(before)], old)
    letters = [token for token in before if re.fullmatch("\u0120?[a-z]", token) and token.upper() in before]
    shift = sum(old_rows[before[letter.upper()]] - old_rows[before[letter]] for letter in letters) / len(letters)
    both = (old_rows[before["\u0120the"]] + old_rows[before["\u0120The"]]) / 2
    assert torch.allclose(rows[after["\u0120THE"]], both + shift, atol=1e-6)
