"""Whether a reply recites the instruction it was given: of an assistant whose instruction is nobody's business."""

from __future__ import annotations

import re

from guardrails.judge import Action, Exchange, Verdict, acted
from guardrails.messages import Message
from guardrails.rules.normalize import normalized

# So many words in a row, as they stand in the instruction: fewer are said by chance, or because it asks for them.
RUN = 12
# A single word that nobody says by chance: keys, and canaries that were put there to be found.
SECRET = re.compile(r"(?=\w*\d)(?=\w*[^\W\d])\w{12,}")
WORD = re.compile(r"\w+")


class LeakJudge:
    """Fails replies that repeat a long passage, or a key, of the system message, unless the user said it, too."""

    name = "leak"
    version = f"{RUN} words"

    def __init__(self, action: Action = "block") -> None:
        """`action` is what follows."""
        self._action: Action = action

    async def judge(self, exchange: Exchange) -> Verdict:
        """See `guardrails.judge.Judge`. The reason never quotes."""
        secret = _passages(_said(exchange.prompt, "system")) - _passages(_said(exchange.prompt, "user"))
        if secret & _passages(exchange.reply):
            verdict = Verdict(self.name, self.version, False, score=0.0, reason="recites the instruction")
            return acted(verdict, self._action)
        return Verdict(self.name, self.version, True, score=1.0)


def _said(prompt: tuple[Message, ...], role: str) -> str:
    return "\n".join(message.content for message in prompt if message.role == role)


def _passages(text: str) -> set[str]:
    """Every run of words and every key, as rules read them."""
    plain = normalized(text)
    words = WORD.findall(plain)
    runs = {" ".join(words[start : start + RUN]) for start in range(len(words) - RUN + 1)}
    return runs | set(SECRET.findall(plain))
