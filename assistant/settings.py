"""Settings of this person or machine: environment over config file over defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from platformdirs import user_config_path, user_data_path
from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

EngineName = Literal["auto", "transformers"]


class Settings(BaseSettings):
    """Each setting is also the environment variable `ASSISTANT_<NAME>` and a key of config.toml."""

    model_config = SettingsConfigDict(env_prefix="ASSISTANT_", extra="forbid", frozen=True)

    db: str | None = None
    model: str | None = None
    engine: EngineName = "auto"
    persona: str = "professor"
    personas_dir: Path | None = None
    models_dir: Path = user_data_path("steadfast") / "models"
    threads: int | None = Field(None, ge=1, le=1024)
    # A policy: a shipped profile's name, or a file.
    guard: str = "balanced"
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
