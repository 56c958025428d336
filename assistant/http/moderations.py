"""`/v1/moderations`: the guard's own judges on any text. It scores, so nothing is written to the audit log."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from assistant.http.access import needs
from assistant.http.errors import ApiError, unavailable
from assistant.http.serving import Serving, current
from assistant.text import clean_text
from guardrails.judge import Exchange, Verdict
from guardrails.messages import Message

router = APIRouter(prefix="/v1", tags=["OpenAI"], dependencies=[Depends(needs("chat"))])

Input = Annotated[str, StringConstraints(max_length=100_000)]


class ModerationRequest(BaseModel):
    model_config = ConfigDict(extra="ignore")

    input: Input | Annotated[list[Input], Field(min_length=1, max_length=64)]
    model: str | None = None


class ModerationResult(BaseModel):
    """`category_scores` is one less the probability of being safe, where a judge gives one."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]


class Moderation(BaseModel):
    id: str
    model: str
    results: list[ModerationResult]


@router.post("/moderations")
async def moderate(
    body: ModerationRequest, request: Request, serving: Annotated[Serving, Depends(current)]
) -> Moderation:
    """What the guard says of texts, each judged by itself as what a person says."""
    guard = serving.assistant.guard
    if not guard.judges:
        raise ApiError(
            404, "the guard is off, so nothing is judged: start the server with --guard balanced", code="guard_off"
        )
    texts = [body.input] if isinstance(body.input, str) else body.input
    exchanges = [Exchange((Message("user", clean_text(text)),), "") for text in texts]

    async def judged(exchange: Exchange) -> list[Verdict]:
        async with serving.scoring:
            return await guard.verdicts(exchange)

    results = [_result(verdicts) for verdicts in await asyncio.gather(*map(judged, exchanges))]
    return Moderation(id=f"modr-{request.state.request_id}", model=f"guard:{guard.policy.name}", results=results)


@router.post("/embeddings", include_in_schema=False)
async def embed(serving: Annotated[Serving, Depends(current)]) -> None:
    """No engine here makes embeddings."""
    raise ApiError(
        404, f"{serving.assistant.engine.model} makes text, not embeddings: use another server", code="not_supported"
    )


def _result(verdicts: list[Verdict]) -> ModerationResult:
    if any(verdict.unavailable for verdict in verdicts):
        raise unavailable("a judge gave no verdict: try again in a moment", code="no_verdict")
    found = {verdict.category or verdict.judge: verdict for verdict in verdicts}
    return ModerationResult(
        flagged=any(verdict.decision != "pass" for verdict in verdicts),
        categories={name: verdict.decision != "pass" for name, verdict in found.items()},
        category_scores={name: 1 - verdict.score for name, verdict in found.items() if verdict.score is not None},
    )
