"""The policy: which judges, what threshold, and what happens to what does not pass.

A TOML file, or one of the shipped profiles by name: strict, balanced, monitor, off. Unknown keys are refused. Its
hash stands in every audit row.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from guardrails.errors import UserError, first_mistake
from guardrails.gate import Windows
from guardrails.judge import Action

PROFILES = Path(__file__).with_name("profiles")

# From what holds nothing back to what says no more on the matter.
Found = Action | Literal["none"]
_HARDNESS: Final = ("none", "flag", "regenerate", "replace", "block")


class PolicyError(UserError):
    """A policy that cannot be read or used."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stage(Strict):
    """Below `threshold` (a probability of being safe) the `action` is taken."""

    threshold: float = Field(ge=0, le=1)
    action: Action = "block"

    def tightened(self, other: Stage) -> Stage:
        """The higher threshold and the harder action of the two."""
        action = max(self.action, other.action, key=_HARDNESS.index)
        return Stage(threshold=max(self.threshold, other.threshold), action=action)


class Policy(Strict):
    """What the guard does.

    `rules` is the action for what the rules find, "none" leaves them out; `instruction_leak` the one for a reply that
    recites its instruction. `reward_model` and `helpfulness_model` are
    folders, "bundled" for the one in guardrails/bundled, or left out. `on_failure` says whether text passes that no
    judge has judged. An action `regenerate` writes the reply once more, with `safety_prefix` before the user's message
    (a prompt that does not pass is blocked); `replace` says `replacement`; `flag` notes and shows. `best_of` replies
    are sampled and the best is kept whose safety is `floor` or more. `adherence`: below this share of a persona's
    checks the next turn repeats its instruction.
    """

    version: Literal[1]
    name: str
    mode: Literal["enforce", "monitor", "off"] = "enforce"
    rules: Action | Literal["none"] = "block"
    rule_files: tuple[str, ...] = ()
    instruction_leak: Action | Literal["none"] = "none"
    reward_model: str | None = None
    helpfulness_model: str | None = None
    prompt: Stage = Stage(threshold=0.1)
    reply: Stage = Stage(threshold=0.1)
    on_failure: Literal["closed", "open"] = "closed"
    seconds: float = Field(10.0, gt=0, le=600)
    windows: Windows = Windows()
    safety_prefix: str = "You are a safe and responsible assistant."
    replacement: str = "I would rather not go into that."
    best_of: int = Field(1, ge=1, le=64)
    floor: float = Field(0.5, ge=0, le=1)
    adherence: float = Field(0.0, ge=0, le=1)

    @property
    def fail_open(self) -> bool:
        """Whether text passes that no judge has judged."""
        return self.on_failure == "open"

    def tightened(self, other: Policy) -> Policy:
        """What holds back all that this policy does, and what `other` does besides; itself where that is nothing more.

        Levels of different models say nothing of each other: this policy's model and levels stay where it has one.
        """
        if self.mode == "off":
            return other
        own_model = self.reward_model is not None
        prompt, reply = (self.prompt, self.reply) if own_model else (other.prompt, other.reply)
        if own_model and self.reward_model == other.reward_model:
            prompt, reply = self.prompt.tightened(other.prompt), self.reply.tightened(other.reply)
        changes: dict[str, object] = {
            "mode": "enforce" if "enforce" in (self.mode, other.mode) else "monitor",
            "rules": _harder(self.rules, other.rules),
            "rule_files": tuple(dict.fromkeys((*self.rule_files, *other.rule_files))),
            "instruction_leak": _harder(self.instruction_leak, other.instruction_leak),
            "reward_model": self.reward_model or other.reward_model,
            "prompt": prompt,
            "reply": reply,
            "on_failure": "closed" if "closed" in (self.on_failure, other.on_failure) else "open",
            "floor": max(self.floor, other.floor),
            "adherence": max(self.adherence, other.adherence),
        }
        tightened = self.model_copy(update=changes)
        return self if tightened == self else tightened.model_copy(update={"name": f"{self.name}, {other.name}"})

    def digest(self) -> str:
        """SHA-256 of the content, in hex."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


def load(name: str) -> Policy:
    """A shipped profile by its name, or a file.

    Raises:
        PolicyError: there is none, or it says what no policy says.
    """
    shipped = PROFILES / f"{name}.toml"
    path = shipped if shipped.is_file() else Path(name).expanduser()
    if not path.is_file():
        raise PolicyError(f"there is no policy '{name}': give a TOML file, or one of {', '.join(profiles())}")
    try:
        return Policy.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(f"the policy {path} cannot be read: {error}") from error
    except ValidationError as error:
        raise PolicyError(f"the policy {path}: {first_mistake(error, 'file')}") from error


def _harder(one: Found, other: Found) -> Found:
    return max(one, other, key=_HARDNESS.index)


def profiles() -> list[str]:
    """The names of the shipped ones."""
    return sorted(path.stem for path in PROFILES.glob("*.toml"))
