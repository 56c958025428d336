"""`gatt train` as a command, and the configurations shipped for `accelerate launch`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file
from typer.testing import CliRunner

from gatt.cli.app import app
from tests.gatt.training.test_train import a_row

LAUNCH = Path(__file__).parents[3] / "recipes" / "accelerate"


def invoke(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["train", *(str(argument) for argument in arguments)])
    return result.exit_code, result.output


def test_a_run_prints_its_rows_and_where_the_model_is(tiny_model: Path, tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(a_row(number, 2).model_dump_json() + "\n" for number in range(6)))
    out = tmp_path / "out"
    code, text = invoke("--data", data, "--model", tiny_model, "--out", out, "--validation", 0.3, "--epochs", 1)
    assert code == 0, text
    assert re.search(r"of 2 turns .*6 kept", text)
    assert re.search(r"step 1/1  train loss \d.* validation loss \d.*learned tokens/s \d", text)
    assert f"Chat: assistant chat --model {out / 'model'}" in text
    assert (out / "adapter" / "adapter_model.safetensors").exists()


def test_mistakes_are_one_line(tiny_model: Path, tmp_path: Path) -> None:
    code, text = invoke("--data", tmp_path / "absent", "--model", tiny_model, "--out", tmp_path / "out")
    assert (code, text.count("\n")) == (1, 1)
    assert text.startswith("error: there is no")
    code, text = invoke("--data", tmp_path, "--model", tmp_path, "--out", tmp_path / "out")
    assert (code, text.count("\n")) == (1, 1)
    assert "no tokenizer.json" in text
    assert "bug" not in text


@pytest.mark.parametrize("file", sorted(LAUNCH.glob("*.yaml")), ids=lambda file: file.stem)
def test_shipped_configurations_are_ones_that_accelerate_reads(file: Path) -> None:
    config = load_config_from_file(str(file))
    assert isinstance(config, ClusterConfig)
    assert config.num_processes == 2
    assert f"recipes/accelerate/{file.name}" in CliRunner().invoke(app, ["train", "--help"]).output
    if file.stem == "fsdp":
        assert config.distributed_type == "FSDP"
        assert config.fsdp_config["fsdp_version"] == 2
    if file.stem == "deepspeed_zero3":
        assert config.deepspeed_config["zero_stage"] == 3
