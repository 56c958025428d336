"""Errors as one line on stderr, without a traceback unless asked for."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from guardrails.errors import UserError


class ErrorsInOneLine(TyperGroup):
    """A command group whose commands end with one line and exit code 1 when they raise."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException):
            raise
        except Exception as error:
            if os.environ.get("ASSISTANT_DEBUG", "0") not in ("", "0"):
                raise
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            print(f"error: {_explain(error)}", file=sys.stderr)
            raise typer.Exit(1) from None


def command_group(*, completion: bool = False) -> typer.Typer:
    """A command line whose errors are one line and whose help is plain: rich would take half of what it may cost."""
    return typer.Typer(
        cls=ErrorsInOneLine,
        no_args_is_help=True,
        add_completion=completion,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


def _explain(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, UserError):
        return text
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {text} (a bug; ASSISTANT_DEBUG=1 shows where)"
