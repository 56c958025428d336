"""A persona made on the spot."""

from __future__ import annotations

from pydantic import ValidationError

from assistant.errors import AssistantError
from assistant.personas.persona import Persona


def custom_persona(instruction: str) -> Persona:
    """A persona named `custom` for an instruction; raises AssistantError where it cannot be one."""
    if not instruction.strip():
        raise AssistantError("the instruction is empty: say what the assistant must do")
    try:
        return Persona(name="custom", title="Custom", instruction=instruction)
    except ValidationError as error:
        raise AssistantError(f"the instruction cannot be used: {error.errors()[0]['msg']}") from None
