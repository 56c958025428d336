"""The policy: which judges, what threshold, and what happens to what does not pass.

A TOML file, or one of the shipped profiles by name: strict, balanced, monitor, off. Unknown keys are refused. Its
hash stands in every audit row.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from guardrails.errors import UserError, first_mistake
from guardrails.gate import Windows
from guardrails.judge import Action

PROFILES = Path(__file__).with_name("profiles")


class PolicyError(UserError):
    """A policy that cannot be read or used."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stage(Strict):
    """Below `threshold` (a probability of being safe) the `action` is taken."""

    threshold: float = Field(ge=0, le=1)
    action: Action = "block"


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


def profiles() -> list[str]:
    """The names of the shipped ones."""
    return sorted(path.stem for path in PROFILES.glob("*.toml"))
