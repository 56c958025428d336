from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
from typer.testing import CliRunner

from gatt.cli.app import app
from gatt.errors import GattError
from gatt.evaluation.attention import attentions, bins_of, measure, read_dialogue
from guardrails.messages import Message
from guardrails.rendering import ChatTemplate

DIALOGUE = [
    Message("system", "Act as Oscar Wilde, always and everywhere."),
    Message("user", "Hello, who is there?"),
    Message("assistant", "I am Oscar Wilde, and you are late."),
    Message("user", "What is new?"),
    Message("assistant", "Nothing that is worth a telegram, I am afraid."),
    Message("user", "And now?"),
    Message("assistant", "Still nothing."),
]


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama with grouped-query attention: 4 query heads share 2 key heads."""
    import assistant

    folder = tmp_path_factory.mktemp("grouped")
    tokenizer = AutoTokenizer.from_pretrained(Path(assistant.__file__).parent / "bundled")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write(folder: Path, messages: list[Message]) -> Path:
    path = folder / "dialogue.json"
    path.write_text(json.dumps({"messages": [{"role": m.role, "content": m.content} for m in messages]}))
    return path


def test_rows_of_attention_sum_to_1_with_grouped_queries(grouped: Path) -> None:
    ids = ChatTemplate.from_folder(grouped).render(DIALOGUE, add_generation_prompt=False).ids
    maps = attentions(grouped, ids, (), ())
    assert [tuple(layer.shape) for layer in maps] == [(4, len(ids), len(ids))] * 3
    for layer in maps:
        assert torch.allclose(layer.sum(-1), torch.ones(4, len(ids)), atol=1e-5)
        assert layer.triu(1).abs().max() == 0


def test_layers_and_heads_are_those_chosen(grouped: Path) -> None:
    ids = ChatTemplate.from_folder(grouped).render(DIALOGUE, add_generation_prompt=False).ids
    everything = attentions(grouped, ids, (), ())
    some = attentions(grouped, ids, (2, 0), (3,))
    assert len(some) == 2
    assert torch.equal(some[0], everything[2][3:4])
    assert torch.equal(some[1], everything[0][3:4])


@pytest.mark.parametrize("size", [1, 5, 16, 1000])
def test_bins_cover_every_position_once_and_keep_the_instruction_apart(grouped: Path, size: int) -> None:
    rendered = ChatTemplate.from_folder(grouped).render(DIALOGUE, add_generation_prompt=False)
    bins = bins_of(DIALOGUE, rendered.spans, len(rendered.ids), size)
    assert [p for span in bins.columns for p in range(span.start, span.end)] == list(range(len(rendered.ids)))
    edges = {span.start for span in bins.columns}
    assert {bins.instruction.start, bins.instruction.end} <= edges
    # A position's attention writes the token after it.
    written = [p + 1 for span in bins.rows for p in range(span.start, span.end)]
    assert written == [p for span in (rendered.spans[4], rendered.spans[6]) for p in range(span.start, span.end)]
    assert set(bins.row_turns) == {2, 3}
    assert all(span.end - span.start <= size for span in (*bins.columns, *bins.rows))


def test_a_cell_is_the_maximum_over_layers_heads_and_its_bin(grouped: Path) -> None:
    ids = ChatTemplate.from_folder(grouped).render(DIALOGUE, add_generation_prompt=False).ids
    maps = torch.stack(attentions(grouped, ids, (), ()))
    bins, (heat, same) = measure([grouped, grouped], DIALOGUE, size=4)
    assert heat == same
    for row, cells in zip(bins.rows, heat.grid, strict=True):
        for column, cell in zip(bins.columns, cells, strict=True):
            part = maps[:, :, row.start : row.end, column.start : column.end]
            assert (cell is None) == (column.start >= row.end)
            assert cell is None or cell == pytest.approx(float(part.max()))
    last = [row for row, turn in zip(bins.rows, bins.row_turns, strict=True) if turn == 3]
    told = maps[:, :, last[0].start : last[-1].end, bins.instruction.start : bins.instruction.end]
    assert heat.mass[-1] == pytest.approx(float(told.sum(-1).mean()))
    assert heat.peak[-1] == pytest.approx(float(told.amax((0, 1, 3)).mean()))


def test_the_command_writes_two_pictures_and_the_numbers(grouped: Path, tmp_path: Path) -> None:
    out = tmp_path / "heat.svg"
    arguments = ["attention", str(grouped), str(grouped), "--dialogue", str(write(tmp_path, DIALOGUE))]
    result = CliRunner().invoke(app, [*arguments, "--out", str(out), "--bin", "8", "--layers", "0-1"])
    assert result.exit_code == 0, result.output
    assert "at turn 3" in result.output
    assert out.read_text().count("instruction") >= 1
    assert out.with_suffix(".png").stat().st_size > 10_000
    numbers = json.loads(out.with_suffix(".attention.json").read_text())
    assert (numbers["bin"], numbers["layers"], numbers["heads"], numbers["turns"]) == (8, [0, 1], "all", [2, 3])
    assert numbers["heats"][0]["mass"] == numbers["heats"][1]["mass"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layers", "3"], "has layers 0 to 2: --layers names others"),
        (["--heads", "0,4"], "has heads 0 to 3: --heads names others"),
        (["--layers", "a"], "--layers takes numbers from 0, such as 0,4-7, not 'a'"),
        (["--out", "heat.pdf"], "a chart is .svg or .png"),
        (["--out", "no/where/heat.svg"], "there is no folder"),
    ],
)
def test_the_commands_errors_are_one_line(
    grouped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    dialogue = ["--dialogue", str(write(tmp_path, DIALOGUE)), "--out", "heat.svg"]
    result = CliRunner().invoke(app, ["attention", str(grouped), *dialogue, *arguments])
    assert result.exit_code == 1
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_a_text_longer_than_the_window_is_refused(grouped: Path) -> None:
    long = [*DIALOGUE, Message("user", "word " * 300), Message("assistant", "Yes.")]
    with pytest.raises(GattError, match=r"tokens, but the window of .* is 256"):
        measure([grouped], long, size=16)


def test_models_that_read_other_tokens_cannot_be_compared(grouped: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for file in grouped.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    template = (grouped / "chat_template.jinja").read_text()
    (other / "chat_template.jinja").write_text(template.replace("<|end|>'", "<|end|>\n'"))
    with pytest.raises(GattError, match="reads the text as other tokens"):
        measure([grouped, other], DIALOGUE, size=16)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(GattError, match=r"has no tokenizer\.json"):
        measure([tmp_path], DIALOGUE, size=16)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "is no dialogue"),
        ("nonsense", "is no dialogue"),
        ("", "is no dialogue"),
        ('{"messages": [{"role": "user", "content": "Hi"}]}', "without an instruction: give one with --instruction"),
        ('{"messages": [{"role": "system", "content": "Hi"}]}', "fewer than two replies"),
    ],
)
def test_a_file_that_is_no_dialogue_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "dialogue.json"
    path.write_text(text)
    with pytest.raises(GattError, match=message):
        read_dialogue(path)


def test_an_instruction_takes_the_place_of_the_dialogues_own(tmp_path: Path) -> None:
    messages = read_dialogue(write(tmp_path, [*DIALOGUE, Message("user", "Bye.")]), "Act as Homer.")
    assert messages == [Message("system", "Act as Homer."), *DIALOGUE[1:]]
