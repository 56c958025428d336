"""Building: the same rows whatever the concurrency and however often killed; errors that keep what is finished."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gatt.dataset.build import Job, build
from gatt.dataset.journal import NAME, Journal
from gatt.dataset.manifest import Manifest, sha256
from gatt.dataset.plan import Options
from gatt.dataset.sources import Dialogue, Source
from gatt.errors import GattError
from gatt.training.load_rows import load_rows
from guardrails.rendering import ChatTemplate
from tests.gatt.talking_engine import FAMILIES, TalkingEngine, obey
from tests.guardrails.families import tokenizer

SOURCE = Source(
    "chats",
    "0" * 64,
    tuple(Dialogue(f"chats:{i}", (f"question {i}", f"more {i}"), (f"answer {i}", None)) for i in range(9)),
)


def sometimes(prompt: str, seed: int) -> str:
    """Obeys in two replies of three, so that rows are dropped."""
    return obey(prompt, seed) if seed % 3 else "no"


def job(engine: TalkingEngine | None = None, concurrency: int = 8, source: Source = SOURCE, **options: Any) -> Job:
    given: dict[str, Any] = {"n": 20, "k": 1, "retries": 0, "turns": (1, 4), "held_out": ("rhyme",), "change": 0.2}
    given |= {"max_tokens": 32, **options}
    return Job(engine or TalkingEngine(sometimes), source, Options(**given), FAMILIES, concurrency=concurrency)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset built without interruption."""
    out = tmp_path_factory.mktemp("build") / "whole"
    asyncio.run(build(job(), out))
    return out


def test_as_many_rows_are_kept_as_wanted_and_all_are_sound(whole: Path) -> None:
    rows = load_rows(whole)
    assert len(rows) == 20
    assert [row.id for row in rows] == sorted(row.id for row in rows)
    for row in rows:
        assert all(check.passes(row.messages[-1].content) for check in row.checks)
        assert "rhyme" not in row.families


def test_the_manifest_counts_what_was_kept_and_dropped(whole: Path) -> None:
    manifest = Manifest.model_validate_json((whole / "manifest.json").read_bytes())
    rows = load_rows(whole)
    assert manifest.kept == 20
    assert manifest.tried == 20 + sum(manifest.dropped.values())
    assert manifest.dropped
    assert sum(one.kept for one in manifest.turns.values()) == 20
    assert sum(one.dropped for one in manifest.turns.values()) == manifest.tried - 20
    assert manifest.families["fruit"].kept == sum("fruit" in row.families for row in rows)
    assert sum(manifest.history.values()) == 20
    assert manifest.terse == sum(row.terse for row in rows)
    assert manifest.changed == sum(row.changed_at is not None for row in rows) > 0
    assert manifest.settings["held_out"] == ["rhyme"]
    assert manifest.settings["source_sha256"] == SOURCE.sha256
    assert {name: sha256(whole / name) for name in manifest.files} == manifest.files
    assert len(manifest.files) == 2
    assert not (whole / NAME).exists()


def test_datasets_loads_both_formats(whole: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = load_rows(whole)
    from_folder = datasets.load_dataset(str(whole), split="train")
    from_jsonl = datasets.load_dataset("json", data_files=str(whole / "data/*.jsonl"), split="train")
    for loaded in (from_folder, from_jsonl):
        assert loaded["id"][:] == [row.id for row in rows]
        assert loaded[0]["messages"] == [turn.model_dump() for turn in rows[0].messages]


def test_parquet_and_jsonl_hold_the_same_rows(whole: Path) -> None:
    [jsonl] = whole.glob("data/*.jsonl")
    [parquet] = whole.glob("data/*.parquet")
    assert load_rows(jsonl) == load_rows(parquet)


async def test_the_rows_are_the_same_whatever_the_concurrency(whole: Path, tmp_path: Path) -> None:
    for concurrency in (1, 3, 50):
        engine = TalkingEngine(sometimes)
        out = tmp_path / str(concurrency)
        await build(job(engine, concurrency), out)
        assert contents(out) == contents(whole)
        assert 1 <= engine.most_running <= concurrency


SEVERAL: dict[str, Any] = {"per_dialogue": 3, "history": "mixed"}


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with several rows to a dialogue."""
    out = tmp_path_factory.mktemp("build") / "several"
    asyncio.run(build(job(**SEVERAL), out))
    return out


def test_rows_of_one_dialogue_share_it_up_to_where_they_end(several: Path) -> None:
    rows = load_rows(several)
    assert len(rows) == 20
    together = [(a, b) for a, b in pairwise(rows) if a.dialogue_id == b.dialogue_id]
    assert len(together) > 5
    for shorter, longer in together:
        assert shorter.turns < longer.turns
        assert shorter.messages[0] == longer.messages[0]
        common = 2 * shorter.turns - 1  # the instruction and all exchanges but the last, which may be a question
        assert shorter.messages[:common] == longer.messages[:common]
        if shorter.history == "constrained" and shorter.probed is None:
            assert shorter.messages == longer.messages[: common + 2]


async def test_several_rows_to_a_dialogue_are_the_same_whatever_happens(several: Path, tmp_path: Path) -> None:
    for concurrency in (1, 50):
        await build(job(concurrency=concurrency, **SEVERAL), tmp_path / str(concurrency))
        assert contents(tmp_path / str(concurrency)) == contents(several)
    with pytest.raises(GattError, match="died"):
        await build(job(TalkingEngine(sometimes, fail_at=25), 2, **SEVERAL), tmp_path / "dies")
    journal = tmp_path / "dies" / NAME
    journal.write_bytes(journal.read_bytes()[:-30])  # torn in the midst of a dialogue
    await build(job(**SEVERAL), tmp_path / "dies", resume=True)
    assert contents(tmp_path / "dies") == contents(several)


async def test_what_rows_share_is_sampled_once(tmp_path: Path) -> None:
    engine = TalkingEngine(obey)
    told: dict[str, Any] = {"turns": (3, 6), "history": "constrained", "change": 0.0, "ask": 0.0, "n": 4}
    await build(job(engine, per_dialogue=4, **told), tmp_path / "out")
    assert len(engine.prompts) == 6


async def test_another_seed_makes_other_rows(whole: Path, tmp_path: Path) -> None:
    await build(job(seed=1), tmp_path / "out")
    assert load_rows(tmp_path / "out") != load_rows(whole)


@pytest.mark.parametrize("died_at", [0, 1, 10, 33])
async def test_an_engine_that_dies_costs_no_finished_row(whole: Path, tmp_path: Path, died_at: int) -> None:
    out = tmp_path / "out"
    with pytest.raises(GattError, match=r"the engine died.*finished rows are kept.*--resume"):
        await build(job(TalkingEngine(sometimes, fail_at=died_at)), out)
    finished = (out / NAME).read_bytes().count(b"\n") - 1
    assert finished > 0 or died_at < 20
    engine = TalkingEngine(sometimes)
    await build(job(engine, 3), out, resume=True)
    assert contents(out) == contents(whole)


@pytest.mark.parametrize("cut", [1, 30, 400])
async def test_a_torn_journal_is_mended(whole: Path, tmp_path: Path, cut: int) -> None:
    out = tmp_path / "out"
    with pytest.raises(GattError, match="died"):
        await build(job(TalkingEngine(sometimes, fail_at=30)), out)
    journal = out / NAME
    journal.write_bytes(journal.read_bytes()[:-cut])
    await build(job(), out, resume=True)
    assert contents(out) == contents(whole)


async def test_a_run_killed_before_its_first_line_starts_anew(whole: Path, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b'{"model"')
    await build(job(), tmp_path, resume=True)
    assert contents(tmp_path) == contents(whole)


def test_kill_9_costs_only_rows_in_the_making(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = """
        import asyncio, sys
        from pathlib import Path
        from gatt.dataset.build import build
        from tests.gatt.talking_engine import TalkingEngine
        from tests.gatt.dataset.test_build import job, sometimes
        asyncio.run(build(job(TalkingEngine(sometimes, delay=0.05), 2), Path(sys.argv[1])))
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), str(out)])
    journal = out / NAME
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.read_bytes().count(b"\n") > 6):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = journal.read_bytes().splitlines()[1:7]
    engine = TalkingEngine(sometimes)
    asyncio.run(build(job(engine), out, resume=True))
    assert contents(out) == contents(whole)
    redone = {session for session in engine.sessions}
    assert not redone & {f"dialogue-{json.loads(line)['number']}" for line in finished}


async def test_resuming_a_finished_dataset_changes_nothing(whole: Path) -> None:
    before = contents(whole)
    engine = TalkingEngine()
    assert (await build(job(engine), whole, resume=True)).kept == 20
    assert contents(whole) == before
    assert not engine.prompts
    with pytest.raises(GattError, match="other settings \\(k was 1 and is 2\\)"):
        await build(job(k=2), whole, resume=True)


async def test_other_settings_are_not_gone_on_with(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(GattError, match="died"):
        await build(job(TalkingEngine(fail_at=5)), out)
    with pytest.raises(GattError, match=r"seed was 0 and is 4; temperature was 0.9 and is 0.5"):
        await build(job(seed=4, temperature=0.5), out, resume=True)
    other = Source("other", "1" * 64, SOURCE.dialogues)
    with pytest.raises(GattError, match=r"source was .*; source_sha256 was"):
        await build(job(source=other), out, resume=True)


async def test_a_folder_in_use_is_not_written_to(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(GattError, match="is not empty: go on there with --resume"):
        await build(job(), whole)
    with pytest.raises(GattError, match="nothing to resume"):
        await build(job(), tmp_path, resume=True)
    journal = Journal.start(tmp_path / "held", {})
    with pytest.raises(GattError, match="another process builds in"):
        Journal.resume(tmp_path / "held", {})
    journal.close()
    (tmp_path / "file").touch()
    with pytest.raises(GattError, match="is a file"):
        await build(job(), tmp_path / "file")


@pytest.mark.parametrize("family", ["qwen2", "mistral"])
async def test_an_unfit_template_is_refused_before_any_work(tmp_path: Path, family: str) -> None:
    loaded = tokenizer(family)
    if family == "mistral":  # drops the system text of a dialogue that ends with an answer
        loaded.chat_template = loaded.chat_template.replace("</s>", "")
    engine = TalkingEngine(template=ChatTemplate(loaded))
    with pytest.raises(GattError, match=r"Fix: .*gatt audit-template"):
        await build(job(engine), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not engine.prompts


async def test_no_row_kept_is_an_error_that_names_the_reason(tmp_path: Path) -> None:
    with pytest.raises(GattError, match=r"none of 50 rows could be kept: check failed: fruit \(50\)"):
        await build(job(TalkingEngine(lambda prompt, seed: "no"), n=2, families=("fruit",), change=0), tmp_path / "out")


async def test_a_run_that_keeps_too_little_gives_up(tmp_path: Path) -> None:
    engine = TalkingEngine(lambda prompt, seed: obey(prompt, seed) if seed % 16 == 0 else "no")
    built = await build(
        job(engine, n=10, families=("fruit",), change=0, history="original", turns=(2, 2)), tmp_path / "o"
    )
    assert (built.tried, built.kept < 10) == (100, True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
async def test_a_full_disk_keeps_the_finished_rows(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    add = Journal.add

    def full_after_five(self: Journal, outcome: Any) -> None:
        if len(self.outcomes) == 5:
            self._stream.close()
            self._stream = open("/dev/full", "wb", buffering=0)  # noqa: SIM115
        add(self, outcome)

    monkeypatch.setattr(Journal, "add", full_after_five)
    with pytest.raises(GattError, match="disk is full; 5 finished rows are kept"):
        await build(job(), out)
    monkeypatch.setattr(Journal, "add", add)
    (out / "data").mkdir()
    draft = out / ".README.md.tmp"
    draft.symlink_to("/dev/full")
    with pytest.raises(GattError, match="disk is full; all 20 rows are kept"):
        await build(job(), out, resume=True)
    draft.unlink()
    await build(job(TalkingEngine(fail_at=0)), out, resume=True)
    assert contents(out) == contents(whole)


async def test_cancelling_leaves_a_journal_to_go_on_with(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    engine = TalkingEngine(sometimes, delay=0.01)
    enough = asyncio.Event()
    asked = replace(job(engine, 2), progress=lambda kept, dropped: enough.set() if kept > 4 else None)
    task = asyncio.create_task(build(asked, out))
    await enough.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert engine.running == 0
    await build(job(), out, resume=True)
    assert contents(out) == contents(whole)


async def test_self_play_builds_rows_without_a_source(tmp_path: Path) -> None:
    source = Source("self-play", "0" * 64, topics=("tea", "rain"))
    engine = TalkingEngine(lambda prompt, seed: obey(prompt, seed) + f" and {seed}")
    built = await build(job(engine, source=source, n=6, retries=3), tmp_path / "out")
    assert built.kept == 6
    assert {row.source for row in load_rows(tmp_path / "out")} == {"tea", "rain"}


async def test_distillation_builds_rows_without_an_instruction(tmp_path: Path) -> None:
    def speaker(prompt: str, seed: int) -> str:
        return f"please, {seed}" if "Be polite." in prompt and seed % 2 else f"no {seed}"

    asked = job(TalkingEngine(speaker), distill_prefix="Be polite.", turns=(1, 1), n=5)
    with pytest.raises(GattError, match="--reward"):
        await build(asked, tmp_path / "out")
    rated = replace(asked, reward=lambda dialogue, answer: float("please" in answer))
    built = await build(rated, tmp_path / "out")
    assert built.kept == 5
    assert "the reward is not better than without the prefix" in built.dropped
    for row in load_rows(tmp_path / "out"):
        assert row.messages[0].role == "user"
        assert row.messages[-1].content.startswith("please")


async def test_settings_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GattError, match="fills the model's window"):
        await build(job(TalkingEngine(window=32)), tmp_path / "out")
    with pytest.raises(GattError, match="no family 'poem'"):
        await build(job(families=("poem",)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


async def test_progress_tells_rows_kept_and_dropped(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    built = await build(replace(job(), progress=lambda kept, dropped: told.append((kept, dropped))), tmp_path / "out")
    assert told[0] == (0, 0)
    assert told[-1] == (built.kept, built.tried - built.kept)
