"""Settings of this person or machine: environment over config file over defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from platformdirs import user_config_path, user_data_path
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

EngineName = Literal["auto", "transformers", "vllm", "openai"]


class VllmSettings(BaseModel):
    """How vLLM runs in this process: the table `[vllm]` of config.toml, or `ASSISTANT_VLLM_<NAME>`.

    `context` limits prompt and reply together (default: the model's own, as far as the memory holds it).
    `memory_share` is the share of a GPU that weights and cache may take; `kv_cache_gb` sets the cache's size instead
    (on a CPU 1 unless set). `dtype` auto is float32 on a CPU and the model's own on a GPU. `quantization` is needed
    only where the model's folder does not say it. `eager` leaves out compilation and CUDA graphs (default: on a CPU).
    `adapters` are LoRA adapters to load beside the model, by name or folder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    context: int | None = Field(None, ge=64)
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    quantization: str | None = None
    tensor_parallel: int = Field(1, ge=1, le=64)
    memory_share: float = Field(0.85, gt=0, lt=1)
    kv_cache_gb: float | None = Field(None, gt=0)
    eager: bool | None = None
    adapters: tuple[str, ...] = ()

    @field_validator("adapters", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


class OpenAISettings(BaseModel):
    """An OpenAI-compatible server: the table `[openai]` of config.toml, or `ASSISTANT_OPENAI_<NAME>`.

    `tokenizer` is a folder with the tokenizer of the server's model: with it a vLLM server is sent token ids.
    `context` is the model's window where the server does not tell it. `timeout` is how many seconds to wait for the
    next piece of a reply; `retries` how often to ask again before its first one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str | None = Field(None, pattern=r"^https?://\S+$")
    api_key: SecretStr | None = None
    tokenizer: Path | None = None
    context: int | None = Field(None, ge=64)
    timeout: float = Field(120, gt=0)
    retries: int = Field(4, ge=0, le=20)


class Settings(BaseSettings):
    """Each setting is also the environment variable `ASSISTANT_<NAME>` and a key of config.toml."""

    model_config = SettingsConfigDict(
        env_prefix="ASSISTANT_", env_nested_delimiter="_", env_nested_max_split=1, extra="forbid", frozen=True
    )

    db: str | None = None
    model: str | None = None
    engine: EngineName = "auto"
    persona: str = "professor"
    personas_dir: Path | None = None
    models_dir: Path = user_data_path("steadfast") / "models"
    threads: int | None = Field(None, ge=1, le=1024)
    # A policy: a shipped profile's name, or a file.
    guard: str = "balanced"
    # What computes the policy's models.
    guard_engine: Literal["transformers", "vllm"] = "transformers"
    audit: Path = user_data_path("steadfast") / "audit.jsonl"
    audit_texts: bool = False
    # What `assistant serve` does.
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    rate_limit: int = Field(600, ge=0)
    max_body: int = Field(1 << 20, ge=1024)
    max_running: int = Field(64, ge=1)
    max_waiting: int = Field(256, ge=0)
    grace: float = Field(30.0, ge=0, le=3600)
    cors_origins: tuple[str, ...] = ()
    vllm: VllmSettings = VllmSettings()
    openai: OpenAISettings = OpenAISettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, config_path())


def config_path() -> Path:
    """Where config.toml is read from; the file need not exist."""
    return user_config_path("steadfast") / "config.toml"


def load_settings() -> Settings:
    """Read the settings. Raises pydantic.ValidationError naming what is wrong."""
    return Settings()
