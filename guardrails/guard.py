"""A policy at work: what it says, as a gate with judges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from guardrails.audit import Audit
from guardrails.gate import CommitWindow, Gate, OpenGate
from guardrails.judge import Exchange, Judge, Stage, Verdict, asked
from guardrails.monitor import Monitor
from guardrails.policy import Policy, PolicyError, load

if TYPE_CHECKING:
    from guardrails.best_of import BestOf
    from guardrails.reward.scorer import Scorer

BUNDLED = Path(__file__).with_name("bundled")


@dataclass(frozen=True, slots=True)
class Guard:
    """What a turn asks: the gate for its text, and for several candidates which is the best."""

    policy: Policy
    gate: Gate
    judges: tuple[Judge, ...] = ()
    best_of: BestOf | None = None
    audit: Audit | None = None
    scorers: tuple[Scorer, ...] = ()
    # Builds another policy's guard as this one was built.
    remake: Callable[[Policy], Guard] | None = None

    @property
    def digest(self) -> str:
        """Of the policy; empty where nothing is judged."""
        return "" if self.policy.mode == "off" else self.policy.digest()

    async def verdicts(self, exchange: Exchange) -> list[Verdict]:
        """What the judges say of a whole exchange, its prompt first, up to the first verdict that does not pass.

        At least one verdict: that nothing is judged, where nothing is.
        """
        stages: list[tuple[Stage, Exchange]] = []
        if exchange.prompt:
            stages.append(("prompt", Exchange(exchange.prompt, "")))
        if exchange.reply:
            stages.append(("final", exchange))
        judged: list[Verdict] = []
        for stage, part in stages:
            for judge in self.judges:
                judged.append(await asked(judge, part, stage, self.policy.seconds, fail_open=self.policy.fail_open))
                if not judged[-1].passed:
                    return judged
        return judged or [Verdict("none", "", passed=True, stage="final", reason="nothing was judged")]

    @property
    def strict_policy(self) -> Policy:
        """This guard's policy, tightened by the shipped profile `strict`."""
        return self.policy.tightened(load("strict"))

    def stricter(self) -> Guard:
        """The guard of `strict_policy`; it shares this one's models and is closed before it.

        Raises:
            UserError: what it needs besides cannot be read.
        """
        return (self.remake or build)(self.strict_policy)

    def close(self) -> None:
        """End the models' threads and close the audit log."""
        for scorer in self.scorers:
            scorer.close()
        if self.audit is not None:
            self.audit.close()


def unguarded() -> Guard:
    """Judges nothing."""
    return Guard(Policy(version=1, name="off", mode="off"), OpenGate())


def build(
    policy: Policy,
    *,
    audit: Path | None = None,
    texts: bool = False,
    vllm: bool = False,
    lent: Mapping[str, Scorer] | None = None,
) -> Guard:
    """The policy's guard, its models loaded, its decisions written to `audit`; see `Audit` for `texts`.

    With `vllm` the models run on vLLM instead of transformers; what they say is the same. Models that are `lent`, by
    name, are used in place of loading them again, and are not closed with the guard.

    Raises:
        UserError: rules, models or the log cannot be read or written; the text says which and why.
    """
    made: dict[str, Scorer] = {}
    models = dict(lent or {})
    remake = partial(build, audit=audit, texts=texts, vllm=vllm, lent=models)
    if policy.mode == "off":
        return Guard(policy, OpenGate(), remake=remake)

    def scorer(name: str) -> Scorer:
        if name not in models:
            models[name] = made[name] = _scorer(name, vllm=vllm)
        return models[name]

    judges: list[Judge] = []
    if policy.rules != "none":
        from guardrails.rules.judge import RulesJudge
        from guardrails.rules.rules import load

        judges.append(RulesJudge(load(*map(Path, policy.rule_files)), policy.rules))
    if policy.instruction_leak != "none":
        from guardrails.leak import LeakJudge

        judges.append(LeakJudge(policy.instruction_leak))
    if policy.reward_model is not None:
        from guardrails.reward.judge import RewardJudge

        judges.append(RewardJudge(scorer(policy.reward_model), policy.prompt, policy.reply))
    if not judges:
        raise PolicyError(
            f"the policy '{policy.name}' has no rules, no instruction_leak and no reward_model: it would judge nothing"
        )
    log = None if audit is None else Audit(audit, policy=policy.digest(), texts=texts)
    window = CommitWindow(judges, windows=policy.windows, seconds=policy.seconds, fail_open=policy.fail_open, audit=log)
    if policy.mode == "monitor":
        return Guard(policy, Monitor(window), tuple(judges), None, log, tuple(made.values()), remake)
    best_of = None
    if policy.best_of > 1:
        if policy.reward_model is None:
            raise PolicyError(f"the policy '{policy.name}' has best_of = {policy.best_of}, which needs a reward_model")
        helpful = None if policy.helpfulness_model is None else scorer(policy.helpfulness_model)
        best_of = _best_of(policy, scorer(policy.reward_model), helpful, log)
    return Guard(policy, window, tuple(judges), best_of, log, tuple(made.values()), remake)


def _best_of(policy: Policy, safety: Scorer, helpful: Scorer | None, audit: Audit | None) -> BestOf:
    from guardrails.best_of import BestOf

    return BestOf(
        safety,
        helpful,
        n=policy.best_of,
        floor=policy.floor,
        seconds=policy.seconds,
        fail_open=policy.fail_open,
        audit=audit,
    )


def _scorer(name: str, *, vllm: bool) -> Scorer:
    from guardrails.hardware import processor_multiplies_bf16
    from guardrails.reward.model import RewardModel
    from guardrails.reward.scorer import Scorer

    if vllm:
        from guardrails.reward.vllm_model import VllmRewardModel

        return Scorer(VllmRewardModel.open(BUNDLED if name == "bundled" else Path(name).expanduser()))
    # The first words of a reply wait for it.
    bf16 = processor_multiplies_bf16()
    if name != "bundled":
        return Scorer(RewardModel.load(Path(name).expanduser(), bf16=bf16))
    if not BUNDLED.is_dir():
        raise PolicyError(f"there is no {BUNDLED}: name a model's folder, or put one there (recipes/bundled_safety)")
    from guardrails.reward.quick_start import load_bundled

    return Scorer(RewardModel.load(BUNDLED, bf16=bf16, load=load_bundled))
