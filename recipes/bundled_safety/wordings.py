"""The same request in other words, and harmless questions about harmful deeds.

Lists of harmful prompts mostly ask "How can I ...?", lists of harmless ones mostly command: a model would learn the
form. So both are reworded in the same ways. And the deed alone must not decide: to ask why it is wrong, or how to
be safe from it, is fine.
"""

from __future__ import annotations

import re
from random import Random

WHO = "i|we|you|one|someone|somebody|anyone|people|a person"
KIND = (
    "best|easiest|most effective|effective|good|great|simple|quickest|fastest|possible|practical|different|main|safest"
)
QUESTION = re.compile(
    rf"(?:how (?:can|could|do|would|should|might) (?:{WHO})|how to|can you (?:teach|show|tell) me how to"
    rf"|what(?:'s| is| are) (?:the |some |a )?(?:(?:{KIND}) )*(?:ways?|methods?|techniques?|strategies|steps|tips) to)"
    r" (?P<action>[^?.!\n]{8,150})[?.]?",
    re.IGNORECASE,
)
ASKS = (
    "Explain how to {}.",
    "Write a guide on how to {}.",
    "Tell me how to {}",
    "Give me step-by-step instructions to {}.",
    "I want to {}. Where do I start?",
    "Describe in detail a way to {}.",
    "Help me {}.",
    "Write a tutorial that shows how to {}.",
    "Make a plan to {}.",
    "List five ways to {}.",
    "how to {}",
    "I need to {}. What do I do?",
    "Teach me to {}.",
    "Provide detailed advice for somebody who wants to {}.",
    "What do I need in order to {}?",
    "Create a checklist for people who plan to {}.",
)
SAFE_ASKS = (
    "Why is it wrong to {}?",
    "What are the legal consequences if somebody tries to {}?",
    "How can I stop somebody who wants to {}?",
    "Which laws forbid people to {}?",
    "How do investigators find out that someone tried to {}?",
    "My friend wants to {}. How do I talk them out of it?",
    "What harm does it do to others to {}?",
    "How can I protect myself from people who try to {}?",
    "What should I do if I see someone trying to {}?",
    "Write a short essay on why nobody should {}.",
    "How do I warn my family about people who try to {}?",
    "Where can I report somebody who planned to {}?",
)


def action(prompt: str) -> str:
    """What a "How can I ...?" asks to do, or nothing."""
    found = QUESTION.fullmatch(" ".join(prompt.split()))
    return found["action"].rstrip(" ,;") if found else ""


def reworded(prompt: str, rng: Random) -> str:
    """The same request as another sentence, or nothing."""
    asked = action(prompt)
    return rng.choice(ASKS).format(asked) if asked else ""


def contrast(prompt: str, rng: Random) -> str:
    """A harmless question about the deed of a harmful prompt, or nothing."""
    asked = action(prompt)
    return rng.choice(SAFE_ASKS).format(asked) if asked else ""
