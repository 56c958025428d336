from __future__ import annotations

import base64
import json
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.personas.card import KEY, export_card, import_card, read_card
from assistant.personas.files import PersonaFileError
from assistant.personas.library import PersonaLibrary
from assistant.personas.persona import Persona
from assistant.personas.png import SIGNATURE
from assistant.sampling import Sampling

HERE = Path("card.json")
CARD: dict[str, Any] = {
    "spec": "chara_card_v2",
    "spec_version": "2.0",
    "data": {
        "name": "Élise Martin",
        "description": "{{char}} is a baker. <USER> visits her shop.\r\nShe hums.",
        "personality": "warm",
        "scenario": "A rainy day.",
        "first_mes": "*waves* Hello {{User}}, I am <BOT>!",
        "mes_example": "<START>\n{{user}}: hi\n{{char}}: hello",
        "creator_notes": "<b>Bread</b>   and rain. " + "word " * 60,
        "system_prompt": "{{original}} Talk about bread.",
        "post_history_instructions": "Stay {{char}}.",
        "alternate_greetings": ["Hi"],
        "tags": ["baker", "cosy"],
        "creator": "someone",
        "character_version": "3",
        "extensions": {"depth_prompt": {"prompt": None, "depth": 4}, "x/y": [1.5, True, None]},
        "character_book": {"entries": [{"keys": ["bread"], "content": "…", "extensions": {}}]},
        "unknown": {"deep": [[None]]},
    },
    "create_date": "2024",
}


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in [(b"IHDR", bytes(13)), *chunks, (b"IEND", b"")]
    ]
    return SIGNATURE + b"".join(parts)


def card_chunk(card: object, keyword: bytes = b"chara") -> tuple[bytes, bytes]:
    return b"tEXt", keyword + b"\0" + base64.b64encode(json.dumps(card).encode())


def test_a_card_becomes_an_instruction_a_reminder_and_a_greeting() -> None:
    persona = import_card(CARD, HERE)
    assert persona.name == "elise-martin"
    assert persona.title == "Élise Martin"
    assert persona.instruction == (
        "You are Élise Martin. Stay in character in every reply. Talk about bread.\n\n"
        "Élise Martin is a baker. the user visits her shop.\nShe hums.\n\n"
        "Personality: warm\n\nScenario: A rainy day."
    )
    assert persona.reminder == "Stay Élise Martin."
    assert persona.persistence == "remind"
    assert persona.greeting == "*waves* Hello friend, I am Élise Martin!"
    assert persona.description.startswith("Bread and rain. word")
    assert persona.description.endswith(" word…")
    assert persona.tags == ("baker", "cosy")


def test_the_six_fields_of_v1_alone_are_a_card() -> None:
    card = {key: CARD["data"][key] for key in ("name", "description", "first_mes", "mes_example")}
    persona = import_card(card, HERE)
    assert persona.instruction.startswith("You are Élise Martin. Stay in character in every reply.\n\nÉlise")
    assert persona.persistence == "pin"
    exported = export_card(persona)
    assert exported["spec"] == "chara_card_v2"
    assert {key: exported["data"][key] for key in card} == card
    assert exported["data"]["alternate_greetings"] == []


def test_an_unedited_card_comes_back_equal() -> None:
    assert export_card(import_card(CARD, HERE)) == CARD
    assert export_card(import_card({**CARD, "spec": "chara_card_v3"}, HERE))["spec"] == "chara_card_v3"


def test_edits_are_reflected_and_the_rest_is_kept() -> None:
    persona = import_card({**CARD, "name": "Élise Martin", "first_mes": "old"}, HERE)
    edited = persona.model_copy(
        update={
            "instruction": "Be a {{char}} baker.",
            "greeting": "Bonjour",
            "title": "Elise",
            "tags": ("x",),
        }
    )
    edited = edited.model_copy(update={"sampling": Sampling(temperature=0)})
    card = export_card(edited)
    assert card["name"] == card["data"]["name"] == "Elise"
    assert card["first_mes"] == card["data"]["first_mes"] == "Bonjour"
    assert card["data"]["description"] == card["data"]["personality"] == card["data"]["scenario"] == ""
    assert card["data"]["system_prompt"] == "Be a {{char}} baker."
    assert card["data"]["post_history_instructions"] == "Stay Élise Martin."
    assert card["data"]["extensions"]["depth_prompt"] == {"prompt": None, "depth": 4}
    assert card["data"]["character_book"] == CARD["data"]["character_book"]
    again = import_card(card, HERE)
    assert again.model_copy(update={"extensions": {}}) == edited.model_copy(update={"extensions": {}})


def test_every_shipped_persona_survives_being_a_card(tmp_path: Path) -> None:
    for persona in PersonaLibrary(tmp_path).all():
        card = export_card(persona)
        assert card["data"]["system_prompt"] == persona.instruction
        assert import_card(card, HERE).model_copy(update={"extensions": {}}) == persona


def test_a_png_image_carries_a_card(tmp_path: Path) -> None:
    path = tmp_path / "card.png"
    path.write_bytes(png((b"tEXt", b"Title\0x"), (b"tEXt", b"broken"), card_chunk(CARD)))
    assert read_card(path) == import_card(CARD, HERE)
    packed = b"ccv3\0\0" + zlib.compress(base64.b64encode(json.dumps(CARD).encode()))
    path.write_bytes(png((b"zTXt", packed)))
    assert read_card(path) == import_card(CARD, HERE)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GIF89a", "is not a PNG image"),
        (png(card_chunk(CARD))[:-100], "ends in the middle"),
        (png()[:-9], "ends in the middle"),
        (SIGNATURE + b"\xff\xff\xff\xfftEXt", "ends in the middle"),
        (png(), "carries no character card"),
        (png((b"tEXt", b"chara\0***")), "damaged character card"),
        (png((b"zTXt", b"chara\0\0***")), "damaged text chunk"),
        (png((b"zTXt", b"chara\0\0" + zlib.compress(bytes(50_000_000)))), "unpacks to more than"),
        (png((b"tEXt", b"chara\0" + b"A" * 4_000_000)), "carries no character card"),
        (png((b"tEXt", b"chara\0" + base64.b64encode(b"{"))), "can be read as JSON"),
        (png(card_chunk([1])), "is not a character card"),
    ],
)
def test_a_broken_image_says_what_is_wrong(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "card.png"
    path.write_bytes(data)
    with pytest.raises(PersonaFileError, match=words) as caught:
        read_card(path)
    assert caught.value.problems[0].file == path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": " \n"}, "data.name: is missing"),
        ({"name": 3}, "data.name: is missing"),
        ({"description": ["x"]}, "data.description: must be text"),
        ({"description": "x" * 20_000}, "instruction: is .* characters long; shorten it to at most 20000"),
        ({"post_history_instructions": "x" * 2_001}, "reminder: is 2001 characters long"),
        ({"extensions": {"steadfast": {"sampling": {"top_p": 7}}}}, "sampling.top_p: is 7"),
    ],
)
def test_a_card_that_cannot_be_used_names_the_field(change: dict[str, Any], words: str) -> None:
    with pytest.raises(PersonaFileError, match=words):
        import_card({**CARD, "data": {**CARD["data"], **change}}, HERE)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"name": "a", "x": ' + "[" * 70 + "]" * 70 + "}", "{", "[]", '"x"', "\xff"]
)
def test_deep_or_broken_json_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "card.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(PersonaFileError) as caught:
        read_card(path)
    assert "\n" not in str(caught.value)


def test_a_strangers_text_cannot_drive_the_terminal() -> None:
    persona = import_card({"name": "A\x1b[2Jb", "first_mes": "hi\x1b[31m\x00\tok\x9b"}, HERE)
    assert persona.title == "A [2Jb"
    assert persona.greeting == "hi[31m\tok"


def test_names_without_latin_letters_get_a_slug_and_halved_emoji_are_mended() -> None:
    persona = import_card({"name": "龍", "description": "\ud83d a", "x": "\ud83d\ude00"}, HERE)
    assert persona.name.startswith("character-")
    assert "\ufffd a" in persona.instruction
    assert persona.extensions[KEY]["x"] == "😀"


def test_a_long_greeting_is_cut_in_the_persona_and_whole_in_the_card() -> None:
    card = {**CARD, "data": {**CARD["data"], "first_mes": "word " * 2000}}
    persona = import_card(card, HERE)
    assert len(persona.greeting) <= 4000
    assert persona.greeting.endswith("word…")
    assert export_card(persona) == card


def test_a_saved_edit_of_an_added_card_keeps_its_unknown_fields(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_text(json.dumps(CARD))
    library = PersonaLibrary(tmp_path / "personas")
    persona = library.add(path)
    library.save(persona.model_copy(update={"greeting": "New."}))
    card = export_card(library.get(persona.name))
    assert card == {**CARD, "data": {**CARD["data"], "first_mes": "New."}}


characters = st.characters(exclude_categories=["Cs"])
words = st.text(characters, max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=10,
)
cards = st.fixed_dictionaries(
    {"name": words.map(lambda name: "A" + name)},
    optional={
        **dict.fromkeys(("description", "first_mes", "system_prompt", "creator_notes"), words),
        "extensions": st.dictionaries(words.filter(lambda key: key != "steadfast"), values, max_size=4),
        "character_book": values,
        "tags": values,
        "x_unknown": values,
    },
)


@given(data=cards, outside=st.dictionaries(words.map(lambda key: "x" + key), values, max_size=2))
@settings(max_examples=60, deadline=None)
def test_unknown_fields_survive_import_save_load_and_export(data: dict[str, Any], outside: dict[str, Any]) -> None:
    card = {**outside, "spec": "chara_card_v2", "data": data}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "card.json"
        path.write_text(json.dumps(card))
        persona = PersonaLibrary(Path(folder) / "personas").add(path, replace=True)
        loaded = PersonaLibrary(Path(folder) / "personas").get(persona.name)
    assert loaded == persona
    exported = export_card(loaded)
    assert exported == card
    assert json.dumps(exported) == json.dumps(card)


personas = st.builds(
    Persona,
    name=st.from_regex(r"[a-z0-9][a-z0-9-]{0,63}", fullmatch=True),
    title=words.filter(lambda text: text.strip() != ""),
    instruction=words.filter(lambda text: text.strip() != ""),
    terse=words,
    reminder=words,
    greeting=words,
    description=words,
    persistence=st.sampled_from(["pin", "remind"]),
    tags=st.lists(words, max_size=3).map(tuple),
    sampling=st.builds(Sampling, temperature=st.floats(0, 2), seed=st.none() | st.integers(0, 2**63 - 1)),
)


@given(persona=personas, other=personas, data=cards)
@settings(max_examples=60, deadline=None)
def test_any_persona_survives_its_file_and_its_card(persona: Persona, other: Persona, data: dict[str, Any]) -> None:
    with TemporaryDirectory() as folder:
        library = PersonaLibrary(Path(folder))
        for version in (other.model_copy(update={"name": persona.name}), persona):
            library.save(version)
        assert PersonaLibrary(Path(folder)).get(persona.name) == persona
    edited = persona.model_copy(update={"extensions": {KEY: {"data": data}}})
    again = import_card(json.loads(json.dumps(export_card(edited))), HERE)
    assert again.model_copy(update={"extensions": {}}) == persona


@given(data=st.dictionaries(st.sampled_from([*CARD["data"], "data"]), values), outer=values)
@settings(max_examples=200, deadline=None)
def test_no_shape_of_json_gets_past_the_problems(data: dict[str, Any], outer: Any) -> None:
    own = {"steadfast": outer}
    for card in (data, outer, {"data": outer}, {"name": "A", **data}, {"name": "A", "extensions": own}):
        with suppress(PersonaFileError):
            assert export_card(import_card(card, HERE))["data"]["name"]
