"""What a request may name as its model: a persona, the engine's model, or a persona on that model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel

from assistant.http.access import needs
from assistant.http.errors import ApiError
from assistant.http.serving import Serving, current
from assistant.personas.library import UnknownPersonaError
from assistant.personas.persona import Persona
from assistant.service import Assistant

router = APIRouter(prefix="/v1", tags=["OpenAI"], dependencies=[Depends(needs("chat"))])


@dataclass(frozen=True, slots=True)
class Target:
    """Who answers. Without a persona the client's own system message is the instruction."""

    name: str
    persona: Persona | None
    assistant: Assistant


class Model(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Model]


def find(name: str, serving: Serving) -> Target:
    """Who `name` is: `professor`, `professor@MODEL`, `professor@ENGINE:MODEL`, or a model without a persona.

    Raises ApiError.
    """
    served = {assistant.engine.model: assistant for assistant in reversed(serving.assistants)}
    named = served | {f"{one.engine.name}:{one.engine.model}": one for one in served.values()}
    persona, _, model = name.partition("@")
    if model and model not in named:
        known = ", ".join(served)
        raise ApiError(404, f"this server has {known}, not '{model}'", code="model_not_found", param="model")
    try:
        return Target(name, serving.library.get(persona), named[model] if model else serving.assistant)
    except UnknownPersonaError as error:
        if name in named:
            return Target(name, None, named[name])
        raise ApiError(
            404, f"{error}; or name a model itself: {', '.join(served)}", code="model_not_found", param="model"
        ) from None


@router.get("/models")
def models(serving: Annotated[Serving, Depends(current)]) -> ModelList:
    """Personas, on the default model and on each adapter of it; and the models without one."""
    personas = [persona.name for persona in serving.library.all()]
    models = [assistant.engine for assistant in serving.assistants]
    others = [f"{persona}@{engine.name}:{engine.model}" for engine in models[1:] for persona in personas]
    return ModelList(data=[_model(name, serving) for name in (*personas, *others, *(one.model for one in models))])


@router.get("/models/{model:path}")
def model(model: Annotated[str, Path(max_length=300)], serving: Annotated[Serving, Depends(current)]) -> Model:
    """One of them."""
    find(model, serving)
    return _model(model, serving)


def _model(name: str, serving: Serving) -> Model:
    return Model(id=name, created=serving.started, owned_by="steadfast")
