"""What watches the server: is it alive, can it serve, how is it doing."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from assistant.http.access import needs
from assistant.http.errors import ErrorBody
from assistant.http.serving import Serving, current

router = APIRouter(tags=["Probes"])


class Health(BaseModel):
    status: Literal["ok"] = "ok"


@router.get("/healthz")
async def healthz() -> Health:
    """The process answers."""
    return Health()


@router.get("/readyz", responses={503: {"model": ErrorBody}})
async def readyz(serving: Annotated[Serving, Depends(current)]) -> Health:
    """The database answers too. The model was loaded before the server began to listen."""
    await asyncio.to_thread(serving.store.has_keys)
    return Health()


@router.get("/metrics", response_class=Response, dependencies=[Depends(needs("metrics"))])
async def metrics(serving: Annotated[Serving, Depends(current)]) -> Response:
    """Prometheus' text format."""
    return Response(serving.metrics.text(), media_type=CONTENT_TYPE_LATEST)
