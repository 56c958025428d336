"""Ways of laying rows side by side are refused where the model's layers would not keep them apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gatt.errors import GattError
from gatt.training.methods import check_layers, window


def folder(path: Path, **config: Any) -> Path:
    (path / "config.json").write_text(json.dumps(config))
    return path


@pytest.mark.parametrize(
    "config",
    [
        {"max_position_embeddings": 512},
        {"sliding_window": 4096, "use_sliding_window": False},
        {"sliding_window": 4096},
        {"layer_types": ["full_attention"] * 2},
    ],
)
def test_full_attention_may_be_shared_and_packed(tmp_path: Path, config: dict[str, Any]) -> None:
    check_layers(folder(tmp_path, **config), packed=True, shared=True, length=4096)


@pytest.mark.parametrize(
    "config",
    [
        {"sliding_window": 512},
        {"text_config": {"sliding_window": 512}},
        {"layer_types": ["sliding_attention", "full_attention"]},
    ],
)
def test_rows_do_not_share_a_sliding_window(tmp_path: Path, config: dict[str, Any]) -> None:
    model = folder(tmp_path, **config)
    with pytest.raises(GattError, match="sliding window"):
        check_layers(model, packed=False, shared=True, length=1024)
    check_layers(model, packed=True, shared=False, length=1024)


@pytest.mark.parametrize("config", [{"mamba_d_state": 16}, {"layer_types": ["linear_attention", "full_attention"]}])
def test_recurrent_layers_read_one_row_at_a_time(tmp_path: Path, config: dict[str, Any]) -> None:
    model = folder(tmp_path, **config)
    for packed, shared in ((True, False), (False, True)):
        with pytest.raises(GattError, match="without attention"):
            check_layers(model, packed=packed, shared=shared, length=1024)
    check_layers(model, packed=False, shared=False, length=1024)


def test_a_damaged_configuration_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"cut')
    with pytest.raises(GattError, match=r"config\.json cannot be read"):
        window(tmp_path)
