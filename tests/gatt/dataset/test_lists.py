"""Lists that the model writes: parsed, each value once, recalled where asked to be, and read back as families."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from gatt.dataset.lists import Listed, make_list, parse, write_families
from gatt.errors import GattError
from gatt.families import draw, load
from tests.gatt.talking_engine import TalkingEngine, last_user

HOBBY = load()["hobby"]


@pytest.mark.parametrize(
    ("reply", "values"),
    [
        ("1. Tennis\n2) chess\n- golf\n* yoga\n• judo", ["Tennis", "chess", "golf", "yoga", "judo"]),
        ('Here are some hobbies:\nTennis - a ball game\n**Chess**: with kings\n"golf"', ["Tennis", "Chess", "golf"]),
        ("tennis, chess, golf and playing the flute.", ["tennis", "chess", "golf", "playing the flute"]),
        ("That is beyond me. I cannot advise on doses, and I prefer to be honest.", []),
        ("I will try.", []),
        ("One line that is far too long to be a value\nchess", ["chess"]),
        ("", []),
    ],
)
def test_values_are_read_from_lists_and_not_from_prose(reply: str, values: list[str]) -> None:
    assert parse(reply.splitlines()) == values


def names(prompt: str, seed: int) -> str:
    return f"Chess\nTennis\nhobby {seed % 50}"


async def test_each_value_is_kept_once_until_there_are_enough() -> None:
    engine = TalkingEngine(names)
    listed = await make_list(engine, "hobby", HOBBY, n=6, seed=1, verify=False)
    assert listed.values[:2] == ("Chess", "Tennis")
    assert len({value.casefold() for value in listed.values}) == 6
    assert listed == await make_list(TalkingEngine(names), "hobby", HOBBY, n=6, seed=1, verify=False)


async def test_a_model_that_knows_no_more_is_not_asked_for_ever() -> None:
    engine = TalkingEngine(lambda prompt, seed: "Chess\nTennis")
    assert (await make_list(engine, "hobby", HOBBY, n=50, seed=1, verify=False)).values == ("Chess", "Tennis")
    assert len(engine.prompts) == 6


async def test_values_that_the_model_does_not_recall_at_turn_1_are_left_out() -> None:
    def forgets_tennis(prompt: str, seed: int) -> str:
        if "Name" in last_user(prompt):
            return "Chess\nTennis"
        return "Chess, of course." if "Chess" in prompt else "I have none."

    listed = await make_list(TalkingEngine(forgets_tennis), "hobby", HOBBY, n=2, seed=1, verify=True)
    assert listed == Listed(("Chess",), ("Tennis",))


async def test_a_model_that_makes_no_list_is_an_error() -> None:
    with pytest.raises(GattError, match="it names none"):
        await make_list(TalkingEngine(lambda p, s: "Sorry, no."), "hobby", HOBBY, n=2, seed=1, verify=False)
    with pytest.raises(GattError, match="recalls none of them"):
        await make_list(
            TalkingEngine(lambda p, s: "Chess\nGolf" if "Name" in p else "No."),
            "hobby",
            HOBBY,
            n=2,
            seed=1,
            verify=True,
        )
    with pytest.raises(GattError, match="no list can be made for family 'haiku'"):
        await make_list(TalkingEngine(), "haiku", load()["haiku"], n=2, seed=1, verify=False)


def test_the_file_replaces_the_values_and_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "lists.toml"
    shipped = load()
    write_families(path, shipped, {"hobby": Listed(("Chess", 'the "Game"'))}, "talker")
    families = load(path)
    assert families["hobby"] == shipped["hobby"].model_copy(update={"values": ("Chess", 'the "Game"')})
    assert families["figure"] == shipped["figure"]
    assert draw(families, ["hobby"], Random(1), most=1, split="train").asked_for()
