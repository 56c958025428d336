"""`assistant models`."""

from __future__ import annotations

from assistant.cli import options


def models(json: options.AsJson = False) -> None:
    """List the models on this machine: which can be used, and why the rest cannot.

    Models are found in the package, in the models folder (setting `models_dir`) and in the Hugging Face cache.

    \b
    Examples:
      assistant models
      assistant chat --model ~/models/Qwen2.5-0.5B-Instruct
    """
    from assistant.cli.opening import read_settings
    from assistant.cli.output import print_json, print_table
    from assistant.engines.catalog import list_models

    entries = list_models(read_settings())
    if json:
        print_json(entries)
    else:
        rows = [(e.name, e.engine, "yes" if e.usable else "no", e.reason) for e in entries]
        print_table(("name", "engine", "usable", "about"), rows)
