"""What a request may name as its model: a persona, the engine's model, or a persona on that model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel

from assistant.engines.protocol import Engine
from assistant.http.access import needs
from assistant.http.errors import ApiError
from assistant.http.serving import Serving, current
from assistant.personas.library import PersonaLibrary, UnknownPersonaError
from assistant.personas.persona import Persona

router = APIRouter(prefix="/v1", tags=["OpenAI"], dependencies=[Depends(needs("chat"))])


@dataclass(frozen=True, slots=True)
class Target:
    """Who answers. Without a persona the client's own system message is the instruction."""

    name: str
    persona: Persona | None


class Model(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Model]


def find(name: str, library: PersonaLibrary, engine: Engine) -> Target:
    """Who `name` is: `professor`, `professor@MODEL`, `professor@ENGINE:MODEL`, or the model without a persona.

    Raises ApiError.
    """
    served = (engine.model, f"{engine.name}:{engine.model}")
    persona, _, model = name.partition("@")
    if model and model not in served:
        raise ApiError(404, f"this server runs {served[1]}, not '{model}'", code="model_not_found", param="model")
    try:
        return Target(name, library.get(persona))
    except UnknownPersonaError as error:
        if name in served:
            return Target(name, None)
        raise ApiError(
            404, f"{error}; or name the model itself: {engine.model}", code="model_not_found", param="model"
        ) from None


@router.get("/models")
def models(serving: Annotated[Serving, Depends(current)]) -> ModelList:
    """Personas, and the model without one."""
    engine = serving.assistant.engine
    names = [persona.name for persona in serving.library.all()]
    return ModelList(data=[_model(name, serving) for name in (*names, engine.model)])


@router.get("/models/{model:path}")
def model(model: Annotated[str, Path(max_length=300)], serving: Annotated[Serving, Depends(current)]) -> Model:
    """One of them."""
    find(model, serving.library, serving.assistant.engine)
    return _model(model, serving)


def _model(name: str, serving: Serving) -> Model:
    return Model(id=name, created=serving.started, owned_by="steadfast")
