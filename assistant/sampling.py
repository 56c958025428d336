"""How a reply is drawn from the model's distribution."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Sampling(BaseModel):
    """Sampling settings of one request. `max_tokens` is the reply's limit; `stop` strings end a reply and are cut."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: float = Field(0.7, ge=0, le=2, description="0 always takes the likeliest token.")
    top_p: float = Field(0.9, gt=0, le=1)
    top_k: int = Field(0, ge=0, description="0 keeps every token.")
    repetition_penalty: float = Field(1.0, ge=1, le=2)
    max_tokens: int = Field(256, ge=1, le=32768)
    stop: tuple[str, ...] = Field((), max_length=8)
    seed: int | None = Field(None, ge=0, lt=2**63)
