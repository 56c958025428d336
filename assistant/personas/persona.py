"""What a persona is."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from assistant.sampling import Sampling
from guardrails.checks.check import Check

Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
Persistence = Literal["pin", "remind"]


class Persona(BaseModel):
    """A named instruction with its settings.

    `instruction` is sent whole, first in every request. `terse` says the same in a few words (half of the
    training data of Ghost Attention uses it). `reminder` is joined to the newest user message in the persistence
    mode `remind`, for models that were not tuned to hold an instruction. `refusal` is said
    in place of a reply that the guard holds back. `checks` are what of the instruction a program can see in a reply.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    title: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    description: Annotated[str, StringConstraints(max_length=200)] = ""
    instruction: Text
    terse: Annotated[str, StringConstraints(max_length=2_000)] = ""
    reminder: Annotated[str, StringConstraints(max_length=2_000)] = ""
    greeting: Annotated[str, StringConstraints(max_length=4_000)] = ""
    refusal: Annotated[str, StringConstraints(max_length=2_000)] = ""
    persistence: Persistence = "pin"
    sampling: Sampling = Sampling()
    tags: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    # Fields of foreign formats (Character Card V2 and its extensions), kept whole for re-export.
    extensions: dict[str, Any] = Field(default_factory=dict)

    def digest(self) -> str:
        """SHA-256 of the content: two personas with one digest are the same version."""
        content = self.model_dump(mode="json")
        for newer in ("refusal", "checks"):
            # Personas older than these fields keep their version.
            if not content[newer]:
                del content[newer]
        canonical = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()
