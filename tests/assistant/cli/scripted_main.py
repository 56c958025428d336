"""The `assistant` command with a scripted engine, as a program of its own: for tests at a real terminal.

SCRIPT='[{"text": "Hello.", "delay": 0.01}]' python -m tests.assistant.cli.scripted_main chat
"""

from __future__ import annotations

import json
import os

from assistant.cli.app import main
from assistant.engines import catalog
from assistant.settings import Settings
from tests.scripted_engine import Reply, ScriptedEngine


def open_scripted(settings: Settings, model: str | None = None, engine: str = "auto") -> catalog.Opened:
    replies = [Reply(**entry) for entry in json.loads(os.environ["SCRIPT"])]
    return catalog.Opened(ScriptedEngine(replies), "as scripted", False)


if __name__ == "__main__":
    catalog.open_engine = open_scripted
    main()
