"""The deployment examples are what Docker Compose, Kubernetes and `assistant serve` read."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from typer.testing import CliRunner

from assistant.cli.app import app
from assistant.settings import OpenAISettings, Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))


def compose_problems(file: Path) -> str:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout or done.stderr


def resources(file: Path) -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load_all(file.read_text())


def test_the_compose_file_is_of_its_schema(tmp_path: Path) -> None:
    assert compose_problems(COMPOSE) == ""
    broken = tmp_path / "compose.yaml"
    broken.write_text(COMPOSE.read_text().replace("replicas: 2", "replicas: [2]"))
    assert "replicas" in compose_problems(broken)


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.name)
def test_every_manifest_is_of_its_schema(file: Path) -> None:
    found = list(resources(file))
    assert found
    for resource in found:
        kubernetes_validate.validate(resource, "1.37", strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**found[0], "spec": {"replica": 3}}, "1.37", strict=True)


@pytest.mark.parametrize("file", [COMPOSE, *MANIFESTS], ids=lambda file: file.name)
def test_every_setting_exists(file: Path) -> None:
    known = set(Settings.model_fields)
    for name in re.findall(r"ASSISTANT_[A-Z_]+", file.read_text()):
        setting = name.removeprefix("ASSISTANT_").lower()
        table, _, key = setting.partition("_")
        assert setting in known or (table == "openai" and key in OpenAISettings.model_fields), name


def test_every_option_exists() -> None:
    help = CliRunner().invoke(app, ["serve", "--help"]).stdout
    (deployment,) = [one for one in resources(DEPLOY / "kubernetes" / "assistant.yaml") if one["kind"] == "Deployment"]
    args = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    options = [arg for arg in args if arg.startswith("--")]
    assert options
    for option in options:
        assert option in help
    grace = float(args[args.index("--grace") + 1])
    # preStop sleeps 5 seconds, and what outlived its grace has 5 more to be stored.
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= grace + 10
