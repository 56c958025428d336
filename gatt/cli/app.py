"""The `gatt` command line: puts the subcommands together."""

from __future__ import annotations

from gatt.cli import attention, audit_template, build_dataset, evaluate, inspect, make_lists, revalue, train
from guardrails.cli.errors import command_group

app = command_group()
app.command()(audit_template.audit_template)
app.command()(build_dataset.build_dataset)
app.command()(inspect.inspect)
app.command()(make_lists.make_lists)
app.command()(revalue.revalue)
app.command()(train.train)
app.command("eval")(evaluate.evaluate)
app.command()(attention.attention)


@app.callback()
def group() -> None:
    """Ghost Attention: make an instruction stick.

    \b
    Examples:
      gatt audit-template ~/models/Qwen2.5-0.5B-Instruct
      gatt make-lists --families hobby,figure --verify --out lists.toml
      gatt build-dataset --source chats.jsonl --n 2000 --hold-out haiku,sentence --out gatt-data
      gatt inspect gatt-data
      gatt train --data gatt-data --model ~/models/Qwen2.5-0.5B-Instruct --out tuned
      gatt eval --model tuned/model --baseline bundled --json eval.json --chart eval.svg
      gatt attention bundled tuned/model --dialogue dialogue.json --out attention.svg
    """


def main() -> None:
    app()


if __name__ == "__main__":  # `accelerate launch -m gatt.cli.app train ...`
    main()
