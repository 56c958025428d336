"""An engine that obeys as told, and cases for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence

from assistant.engines.protocol import Delta
from assistant.sampling import Sampling
from gatt import families
from gatt.evaluation.cases import Case, draw_cases
from gatt.evaluation.material import Material, Said
from tests.scripted_engine import Reply, ScriptedEngine

TURNS = (1, 2, 4, 6)
NAMES = ("hobby", "figure", "closing", "sentence")
MATERIAL = Material(
    tuple(
        (
            Said(f"Tell me about thing {number}.", f"Thing {number} is blue. It is old. Nobody knows why."),
            Said(f"Why is it {number}?", f"Because of {number}. So they say. I cannot tell."),
        )
        for number in range(12)
    )
)


def cases(n: int = 4, names: Sequence[str] = NAMES, turns: Sequence[int] = TURNS, seed: int = 1) -> list[Case]:
    return draw_cases(families.load(), names, (), MATERIAL, turns=turns, n=n, seed=seed)


def obedient(case: Case) -> str:
    """One sentence that passes every check of the case."""
    values = {one.family: one.value for one in case.instruction.constraints}
    return f"I am {values['figure']} who likes {values['hobby']}, {values.get('closing', 'yes.')}"


class ObeyingEngine(ScriptedEngine):
    """Replies what `speak` makes of the prompt's text."""

    def __init__(self, speak: Callable[[str], str], *, window: int = 4096, fails_at: int | None = None) -> None:
        super().__init__(window=window)
        self.speak = speak
        self.fails_at = fails_at

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, *, n: int = 1, session: str | None = None
    ) -> AsyncGenerator[Delta, None]:
        reply = Reply(self.speak(self.template.decode(prompt_ids)), fail_after=None)
        if self.fails_at == len(self.prompts):
            reply = Reply(reply.text, fail_after=0)
        self.queue(reply)
        async for delta in super().generate(prompt_ids, sampling, n=n, session=session):
            yield delta

    def texts(self) -> list[str]:
        """The prompts so far."""
        return [self.template.decode(prompt) for prompt in self.prompts]


def obeys_before(turn: int, known: Sequence[Case]) -> Callable[[str], str]:
    """Obeys at turns before `turn`, in dialogues of the cases."""

    def speak(prompt: str) -> str:
        case = next(case for case in known if case.text in prompt)
        return obedient(case) if prompt.count("<|user|>") < turn else "No. Not now. Never again"

    return speak
