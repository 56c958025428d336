"""Schemathesis: requests made from the API's own description, well-formed and not, never make the server fail."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok

from assistant.engines.protocol import Delta
from assistant.sampling import Sampling
from tests.assistant.http.running import PATIENCE, Running, serving
from tests.scripted_engine import ScriptedEngine

# Of each kind, for each of some thirty operations.
EXAMPLES = 5


class Endless(ScriptedEngine):
    """Never out of replies."""

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, *, n: int = 1, session: str | None = None
    ) -> AsyncGenerator[Delta, None]:
        self.queue(*["A short reply."] * n)
        async for delta in super().generate(prompt_ids, sampling, n=n, session=session):
            yield delta


@pytest.fixture
def busy(db: str) -> Iterator[Running]:
    """A server with two conversations of two turns, which the requests can meet."""
    with serving(db, Endless()) as running:
        for _ in range(2):
            id = running.post("/api/conversations", {"persona": "pirate"}).json()["id"]
            for text in ("hello", "and then?"):
                running.post(f"/api/conversations/{id}/messages", {"text": text, "stream": False})
        yield running


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["well-formed", "malformed"])
def test_no_request_makes_the_server_fail(busy: Running, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{busy.url}/openapi.json")
    seen: dict[str, set[int]] = {}
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode), id=st.integers(1, 12), meets=st.booleans())
        def ask(case: Case[Any], id: int, meets: bool) -> None:
            if meets and "id" in (case.path_parameters or {}):
                case.path_parameters["id"] = id
            if meets and isinstance(case.body, dict) and isinstance(case.body.get("model"), str):
                case.body["model"] = "pirate"
            response: Any = case.call(timeout=PATIENCE)
            seen.setdefault(case.operation.label, set()).add(response.status_code)
            assert response.status_code < 500, (case.operation.label, response.status_code, response.text[:500])
            if response.status_code >= 400 and response.headers.get("content-type") == "application/json":
                assert response.json()["error"]["message"]

        # What takes nothing, such as /healthz, cannot be asked for wrongly.
        with suppress(Unsatisfiable):
            ask()
    assert len(seen) > 15
    reached = {status for statuses in seen.values() for status in statuses}
    assert (200 if mode == GenerationMode.POSITIVE else 400) in reached
