"""`gatt audit-template`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def audit_template(
    model: Annotated[Path, typer.Argument(help="A local Hugging Face model folder.")],
) -> None:
    """Refuse a model whose chat template loses or invents instructions, or trains on what it never sees.

    \b
    Examples:
      gatt audit-template ~/models/Qwen2.5-0.5B-Instruct
    """
    from gatt.audit import audit
    from guardrails.rendering import ChatTemplate, RenderingError

    try:
        findings = audit(ChatTemplate.from_folder(model))
    except RenderingError as error:
        typer.echo(f"error: {str(error).splitlines()[0]}", err=True)
        raise typer.Exit(1) from None
    for finding in findings:
        typer.echo(f"{finding.kind}: {finding.what}. Fix: {finding.fix}.")
    if any(finding.kind == "fault" for finding in findings):
        raise typer.Exit(1)
    typer.echo(f"{model}: the template is fit for training and for a persistent instruction")
