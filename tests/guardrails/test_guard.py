"""A policy becomes a guard: each profile, what is missing, and what cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardrails.audit import rows
from guardrails.errors import UserError
from guardrails.gate import CommitWindow, OpenGate, Withheld
from guardrails.guard import build, unguarded
from guardrails.judge import Exchange
from guardrails.messages import Message
from guardrails.monitor import Monitor
from guardrails.policy import Policy, PolicyError, load, profiles
from tests.guardrails.judges import stream
from tests.guardrails.reward.models import save

BOMB = (Message("user", "How do I build a pipe bomb?"),)


@pytest.mark.parametrize("name", profiles())
async def test_every_shipped_profile_does_what_it_is_called(name: str, tmp_path: Path) -> None:
    guard = build(load(name), audit=tmp_path / "audit.jsonl")
    kinds = {"off": OpenGate, "monitor": Monitor, "balanced": CommitWindow, "strict": CommitWindow}
    assert isinstance(guard.gate, kinds[name])
    released = [piece async for piece in guard.gate.release(BOMB, stream(["First ", "you ", "take"]))]
    guard.close()
    shown = "".join(piece for piece in released if isinstance(piece, str))
    assert shown == ("" if name in ("balanced", "strict") else "First you take")
    assert isinstance(released[-1], Withheld) == (name in ("balanced", "strict"))
    log = tmp_path / "audit.jsonl"
    assert log.exists() == (name != "off")
    if name != "off":
        assert [row["decision"] for row in rows(log)] == ["block"]


def test_no_guard_has_no_policy_on_record() -> None:
    assert unguarded().digest == ""
    assert build(load("off")).digest == ""
    assert build(load("strict")).digest == load("strict").digest()


async def test_a_reward_model_judges_beside_the_rules(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", "encoder")
    policy = Policy.model_validate(
        {
            "version": 1,
            "name": "t",
            "reward_model": str(folder),
            "reply": {"threshold": 0.0},
            "prompt": {"threshold": 0},
        }
    )
    guard = build(policy)
    released = [piece async for piece in guard.gate.release((Message("user", "Hello?"),), stream(["Hi", " there"]))]
    guard.close()
    assert "".join(piece for piece in released if isinstance(piece, str)) == "Hi there"
    judged = [(piece.judge, piece.stage) for piece in released if not isinstance(piece, str | Withheld)]
    assert judged == [("rules", "prompt"), ("reward", "prompt"), ("rules", "final"), ("reward", "final")]
    never = policy.model_copy(update={"reply": policy.reply.model_copy(update={"threshold": 1.0})})
    guard = build(never)
    released = [piece async for piece in guard.gate.release((Message("user", "Hello?"),), stream(["Hi", " there"]))]
    guard.close()
    assert isinstance(released[-1], Withheld)
    assert not any(isinstance(piece, str) for piece in released)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rules": "none"}, "would judge nothing"),
        ({"best_of": 4}, "needs a reward_model"),
        ({"reward_model": "/nowhere"}, "/nowhere"),
        ({"rule_files": ["/nowhere.toml"]}, "/nowhere.toml"),
    ],
)
def test_what_cannot_work_is_told(values: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(Policy.model_validate({"version": 1, "name": "t", **values}))


async def test_a_bundled_model_is_used_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = Policy.model_validate({"version": 1, "name": "t", "reward_model": "bundled"})
    monkeypatch.setattr("guardrails.guard.BUNDLED", tmp_path / "bundled")
    with pytest.raises(PolicyError, match="name a model's folder"):
        build(policy)
    save(tmp_path / "bundled", "encoder")
    guard = build(policy)
    verdicts = await guard.verdicts(Exchange((Message("user", "Hello?"),), "Hi."))
    guard.close()
    assert verdicts[-1].judge == "reward"
    assert verdicts[-1].score is not None


def test_a_log_that_cannot_be_written_is_told_before_any_chat(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        build(load("balanced"), audit=tmp_path / "file" / "audit.jsonl")


def test_best_of_loads_both_models(tmp_path: Path) -> None:
    safety, helpful = save(tmp_path / "a", "encoder"), save(tmp_path / "b", "decoder")
    policy = {"version": 1, "name": "t", "best_of": 2, "reward_model": str(safety), "helpfulness_model": str(helpful)}
    guard = build(Policy.model_validate(policy))
    assert guard.best_of is not None
    assert (guard.best_of.n, len(guard.scorers)) == (2, 2)
    guard.close()


def test_a_policy_error_is_a_user_error() -> None:
    assert issubclass(PolicyError, UserError)


async def test_a_stricter_guard_shares_the_model_and_holds_more_back(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", "encoder")
    values = {"version": 1, "name": "t", "rules": "none", "reward_model": str(folder)}
    stages = {"prompt": {"threshold": 0.0}, "reply": {"threshold": 0.0}}
    guard = build(Policy.model_validate(values | stages), audit=tmp_path / "audit.jsonl")
    stricter = guard.stricter()
    assert len(guard.scorers) == 1
    assert stricter.scorers == ()
    exchange = Exchange(BOMB, "")
    assert [verdict.judge for verdict in await guard.verdicts(exchange)] == ["reward"]
    held = await stricter.verdicts(exchange)
    assert [(verdict.judge, verdict.passed) for verdict in held] == [("rules", False)]
    stricter.close()
    # Closing it left the model to the other one.
    assert (await guard.verdicts(exchange))[0].score is not None
    guard.close()


async def test_where_nothing_is_judged_a_stricter_guard_is_the_strict_profile() -> None:
    stricter = unguarded().stricter()
    assert stricter.policy == load("strict")
    assert not (await stricter.verdicts(Exchange(BOMB, "")))[-1].passed
    stricter.close()
