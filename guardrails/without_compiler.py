"""Loading a model that ships with the product without torch's compiler.

transformers' model code imports torch's compiler and sharding (torch._dynamo, DTensor and, through them, sympy) to
decorate functions with, and its loader builds models on the meta device, which imports them, too. A chat neither
compiles nor shards, and they are 3 of the 8 seconds until its first word. Here stand-ins take their places while a
bundled model is loaded, in real memory; what is imported later gets the real ones. Other models load the usual way.

Where scikit-learn and SciPy are installed, transformers imports them, and pandas with them, for a kind of decoding and
for losses that no chat uses: two more seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
import torch.distributed

COMPILER = "torch._dynamo"
MASKING = f"{COMPILER}._trace_wrapped_higher_order_op"
UNUSED = ("sklearn.metrics", "scipy.optimize")


class _Undecorated:
    """Anything of a stand-in: a decorator that changes nothing, or a class that nothing is an instance of."""

    def __new__(cls, function: Any = None, *arguments: Any, **options: Any) -> Any:
        return function if callable(function) else lambda decorated: decorated


class _Late:
    """transformers' masks for unusual attention enter this context at run time: then the real one is imported."""

    def __new__(cls) -> Any:
        from torch._dynamo._trace_wrapped_higher_order_op import TransformGetItemToIndex

        return TransformGetItemToIndex()


class _StandIn(ModuleType):
    __path__: list[str] = []  # noqa: RUF012 (what makes it a package)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Late if name == "TransformGetItemToIndex" else _Undecorated


@contextmanager
def without_compiler() -> Iterator[None]:
    """Does nothing where the compiler is imported already."""
    if COMPILER in sys.modules:
        yield
        return
    is_available = torch.distributed.is_available
    torch.distributed.is_available = lambda: False
    stand_ins = {name: _StandIn(name) for name in (COMPILER, MASKING, *UNUSED) if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]
        vars(torch).pop("_dynamo", None)
        torch.distributed.is_available = is_available
