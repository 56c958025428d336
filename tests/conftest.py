"""What every test stands on: a home of its own, and a real small model."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# CI repeats the same examples, so that a change is judged by itself; elsewhere every run looks for new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

# Before torch is imported: several test processes on few cores must not spin on each other's threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ["HF_HUB_OFFLINE"] = "1"


# Read before a test can change it. The URL of a server whose user may make databases; `.ci/postgres` starts one.
POSTGRES = os.environ.get("ASSISTANT_TEST_POSTGRES", "")


@pytest.fixture
def postgres() -> Iterator[str]:
    """The URL of an empty database of the test's own on a PostgreSQL server."""
    if not POSTGRES:
        pytest.skip("ASSISTANT_TEST_POSTGRES names no server; .ci/postgres start FOLDER starts one")
    import psycopg
    from sqlalchemy import make_url

    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(POSTGRES, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
        yield make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
        server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the settings, personas or conversations of whoever runs it."""
    home = tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name.startswith("ASSISTANT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    # The shipped profiles would load the safety model in every command: tests that mean to say so.
    policy = home / "rules.toml"
    policy.write_text('version = 1\nname = "rules alone"\nadherence = 0.5\n')
    monkeypatch.setenv("ASSISTANT_GUARD", str(policy))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def three_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Torch computes with three threads, and can be told otherwise.

    vLLM's CPU build, once it has run in this process, has a function that does nothing for torch.set_num_threads.
    """
    import torch

    monkeypatch.setattr(torch, "set_num_threads", torch._C.set_num_threads)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch._C.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a real Llama of a few thousand random weights and the bundled tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    import assistant

    folder = tmp_path_factory.mktemp("tiny-model")
    tokenizer = AutoTokenizer.from_pretrained(Path(assistant.__file__).parent / "bundled")
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=512,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            tie_word_embeddings=True,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
