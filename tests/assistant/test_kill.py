from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fifty_kills_at_random_moments_lose_no_user_message_and_at_most_a_second_of_reply(tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4))
    done = subprocess.run(
        [sys.executable, "-m", "tests.assistant.kill_driver", str(tmp_path), str(seed)],
        cwd=ROOT,
        env={**os.environ, "TOKENIZERS_PARALLELISM": "false"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == 50, f"seed {seed}: {done.stderr}"
    for result in results:
        told = f"seed {seed}: {result}"
        if result["begun"]:
            assert result["users"] == ["the user's words"], told
        # Stored together or not at all: no message is without a reply that says what became of it.
        assert result["status"] == ("interrupted" if result["users"] else None), told
        assert result["is_prefix"], told
        assert result["lost_seconds"] <= 1.0 + result["stalled_seconds"], told
    assert sum(result["begun"] for result in results) >= 25, "too few kills came in mid-reply to prove anything"
