"""The last tuning's dialogues: an instruction far back, strange values, positions that are skipped."""

from __future__ import annotations

import string
from functools import cache
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gatt import families
from gatt.dataset.revalue import copied
from gatt.families import words_of
from guardrails.messages import Message
from recipes.bundled_chat import chats, far_back, loop, strange, tune
from recipes.bundled_chat.config import Architecture, load
from recipes.bundled_chat.dialogues import far, spelled, topics
from recipes.bundled_chat.dialogues.far import Far
from recipes.bundled_chat.dialogues.stream import TOPICS
from recipes.bundled_chat.values import MADE
from tests.scripted_engine import bundled_template

WINDOW = 1152
numbers = st.integers(0, 10**6)


@cache
def library() -> topics.Library:
    return topics.read(TOPICS)


@cache
def dialogue(number: int) -> Far:
    return far.write(number, 1, before(), library())


@cache
def before() -> list[list[Message]]:
    return list(chats.plain(9, 60))


def test_strange_values_are_many_and_none_that_evaluation_keeps() -> None:
    shipped = families.load()
    kept = {one.value.casefold() for family in shipped.values() if copied(family) for one in family.split("test")}
    for name in MADE:
        learned = {entry.value.casefold() for entry in strange.known()[name].split("train")}
        assert len(learned) > 4000
        assert not learned & kept


@given(
    value=st.sampled_from(["Queen Rosa", "keeping bees", "Peter the Great", "Tick tock.", "a chess master"]),
    seed=numbers,
)
def test_a_strange_value_keeps_its_form(value: str, seed: int) -> None:
    made = strange.estranged(value, Random(seed))
    assert made[-1].isalpha() == value[-1].isalpha()
    for old, new in zip(value.split(), made.split(), strict=len(made.split()) > 1):
        assert old[0].isupper() == new[0].isupper() or len(made.split()) == 1
    if len(made.split()) > 1 and " the " in value:
        assert " the " in made


def test_strange_words_begin_as_the_vocabulary_s_words_do_and_are_none_that_evaluation_keeps() -> None:
    rng, template = Random(3), bundled_template()
    words = [strange.word(rng) for _ in range(4000)]
    assert not strange.kept_words() & set(words)
    assert {"camping", "mandela", "agent", "tailor"} <= strange.kept_words()
    # In a sentence a word's first token holds the space before it: single letters, syllables and whole words.
    first = {template.decode(list(template.encode(f" {word}"))[:1]).strip() for word in words}
    assert set(string.ascii_lowercase) - {"q"} <= first  # no token is a space and a q
    assert len(first) > 1000
    assert sum(len(template.encode(f" {word}")) == 1 for word in words) > 400


def test_strange_names_have_a_capital_and_begin_as_the_vocabulary_s_names_do() -> None:
    rng, template = Random(3), bundled_template()
    names = [strange.word(rng, name=True) for _ in range(4000)]
    assert all(name == name.capitalize() for name in names)
    assert not strange.kept_words() & {name.lower() for name in names}
    first = {template.decode(list(template.encode(f" {name}"))[:1]).strip() for name in names}
    assert {"Queen", "King", "William"} <= first
    assert len(first) > 500


@settings(deadline=None, max_examples=60)
@given(number=numbers)
def test_most_spelled_chats_are_in_capitals(number: int) -> None:
    upper = [spelled.write(number + chat, 1, library())[-1].content.isupper() for chat in range(40)]
    assert 18 <= sum(upper) < 40


@settings(deadline=None, max_examples=60)
@given(number=numbers)
def test_every_reply_of_a_spelled_chat_is_in_the_ordered_case(number: int) -> None:
    head, *chat = spelled.write(number, 1, library())
    if head.role == "user":
        chat.insert(0, Message("user", ""))
    replies = [message.content for message in chat[1::2]]
    assert all(message.role == "assistant" for message in chat[1::2])
    assert len(replies) in spelled.TURNS
    assert any(all(reply == cased(reply) for reply in replies) for cased in (str.upper, str.lower))
    assert head == spelled.write(number, 1, library())[0]


@settings(deadline=None, max_examples=60)
@given(number=numbers)
def test_what_is_learned_obeys_and_asks_in_the_words_of_training(number: int) -> None:
    made = dialogue(number)
    who = far.speaker(Random(f"far/1/{number}"))
    head, *_ = made.messages
    assert who.system in head.content
    probes = {words_of(probe) for family in families.load().values() for probe in family.probes}
    *_, last = zip(made.messages[-2 * made.learned :: 2], made.messages[1 - 2 * made.learned :: 2], strict=True)
    for user, reply in [last]:
        assert (user.role, reply.role) == ("user", "assistant")
        assert who.obeys(reply.content)
        if who.constraints:
            assert words_of(user.content) not in probes


def test_the_same_number_writes_the_same_dialogue() -> None:
    again = far.write(7, 1, before(), topics.read(TOPICS))
    assert again == dialogue(7)
    assert again != dialogue(8)


@settings(deadline=None, max_examples=60)
@given(number=numbers, seed=numbers)
def test_a_thinned_row_is_part_of_the_whole_one_at_the_same_positions(number: int, seed: int) -> None:
    template = bundled_template()
    whole = far_back.example(dialogue(number), template, WINDOW, Random(seed), whole=True)
    thin = far_back.example(dialogue(number), template, WINDOW, Random(seed), whole=False)
    assert whole.positions == list(range(len(whole.ids)))
    assert len(whole.ids) <= WINDOW
    assert thin.positions is not None
    assert sorted(set(thin.positions)) == thin.positions
    assert thin.ids == [whole.ids[position] for position in thin.positions]
    assert thin.labels == [whole.labels[position] for position in thin.positions]
    # Both learn the same: the last replies and their end tokens.
    learned = [label for label in whole.labels if label != loop.IGNORED]
    assert [label for label in thin.labels if label != loop.IGNORED] == learned
    (end,) = template.stop_ids
    made = dialogue(number)
    replies = [message.content for message in made.messages[1 - 2 * made.learned :: 2]]
    assert learned == [token for reply in replies for token in (*template.encode(reply), end)]
    assert whole.reply_bytes == sum(len(reply.encode()) for reply in replies)


def test_long_dialogues_lose_their_oldest_turns_and_keep_instruction_and_last_replies() -> None:
    template = bundled_template()
    cut = 0
    for number in range(60):
        made = dialogue(number)
        whole = far_back.example(made, template, 400, Random(0), whole=True)
        full = tune.example(made.messages, template)
        cut += len(full.ids) > 400
        assert whole.ids[-20:] == full.ids[-20:]
        instruction = list(template.encode(made.messages[0].content))
        assert whole.ids[2 : 2 + len(instruction)] == instruction
        assert len(whole.ids) <= 400
    assert cut > 10


def test_counted_positions_give_the_loss_that_none_give() -> None:
    shape = Architecture(vocabulary=64, width=16, layers=2, heads=2, feed_forward=32, window=64)
    torch.manual_seed(0)
    model = loop.new_model(shape, end_id=2, bos_id=1, pad_id=0)
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(8)  # so that it matters where a token stands
    ids = torch.randint(3, 64, (3, 40))
    counted = torch.arange(40).expand(3, -1)
    skipped = counted + 12 * (counted > 15)
    plain = loop.loss_of(model, ids, ids).item()
    assert loop.loss_of(model, ids, ids, counted).item() == pytest.approx(plain, rel=1e-3)
    # A skip moves what follows, and what follows still sees what is before.
    moved = loop.loss_of(model, ids, ids, skipped).item()
    assert moved != pytest.approx(plain, rel=1e-2)
    assert loop.loss_of(model, ids, ids, counted + 5).item() == pytest.approx(plain, rel=5e-3)


def test_batches_carry_the_positions_of_their_rows() -> None:
    rows = [tune.Example([7] * n, [7] * n, n, [*range(9), *range(100, 91 + n)]) for n in (100, 110)]
    (batch,) = tune.batches_of(rows * 4, 8 * 128, pad_id=0, seed=1, lengths=far_back.LENGTHS)
    assert len(batch) == 3
    ids, labels, positions = batch
    assert ids.shape == labels.shape == positions.shape == (8, 128)
    for row in range(8):
        length = int((labels[row] != loop.IGNORED).sum())
        assert positions[row, :length].tolist() == [*range(9), *range(100, 91 + length)]


def test_the_rows_fit_the_window_that_ships() -> None:
    assert load().window == WINDOW == max(far_back.LENGTHS)
    assert max(far_back.THINNED) < WINDOW
