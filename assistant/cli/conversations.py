"""`assistant conversations`: the stored conversations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from assistant.cli import options

if TYPE_CHECKING:
    from assistant.store.records import ConversationSummary

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=options.LARGEST, help="How many at most.")]


@app.callback()
def conversations() -> None:
    """List, show, search, export, import, delete, archive, pin, rename and tag conversations.

    \b
    Examples:
      assistant conversations list
      assistant conversations search "chess"
      assistant conversations export 3 --output chess.md
    """


@app.command("list")
def list_(
    limit: Limit = 20,
    persona: Annotated[str | None, typer.Option("--persona", "-p", metavar="NAME")] = None,
    tag: Annotated[str | None, typer.Option("--tag", "-t", metavar="TAG")] = None,
    archived: Annotated[bool, typer.Option("--archived", help="The archived ones instead.")] = False,
    trashed: Annotated[bool, typer.Option("--trashed", help="The deleted ones instead.")] = False,
    json: options.AsJson = False,
    db: options.Database = None,
) -> None:
    """List conversations, the latest first.

    \b
    Examples:
      assistant conversations list
      assistant conversations list --persona pirate --limit 5
      assistant conversations list --trashed
      assistant conversations list --json
    """
    from assistant.cli.opening import open_store
    from assistant.cli.output import moment, print_json, print_table
    from assistant.terminal.safe_text import one_line

    with open_store(db) as store:
        found = store.list_conversations(limit, archived=archived, trashed=trashed, tag=tag, persona=persona)
    if json:
        print_json(found)
    elif found:
        rows = [(c.id, moment(c.updated_at), c.persona, c.messages, one_line(c.title, 60) + _marks(c)) for c in found]
        print_table(("id", "updated", "persona", "messages", "title"), rows)
    else:
        typer.echo("no conversations", err=True)


@app.command()
def show(
    id: options.Id,
    tree: Annotated[bool, typer.Option("--tree", help="All branches, one line a stretch.")] = False,
    json: Annotated[bool, typer.Option("--json", help="All messages as JSON.")] = False,
    db: options.Database = None,
) -> None:
    """Print a conversation's active branch.

    \b
    Examples:
      assistant conversations show 3
      assistant conversations show 3 --tree
    """
    from assistant.cli.opening import open_store
    from assistant.cli.output import branch_lines, print_json
    from assistant.terminal.tree import draw

    with open_store(db) as store:
        conversation = store.conversation(id)
        if json:
            print_json(store.all_messages(id))
        elif tree:
            typer.echo(draw(store.all_messages(id), conversation.active_leaf_id))
        else:
            for line in branch_lines(store, conversation):
                typer.echo(line)


@app.command()
def search(
    text: Annotated[str, typer.Argument(metavar="TEXT")],
    limit: Limit = 20,
    conversation: Annotated[
        int | None, typer.Option("--conversation", metavar="ID", min=1, max=options.LARGEST, help="Only in this.")
    ] = None,
    json: options.AsJson = False,
    db: options.Database = None,
) -> None:
    """Find messages by their words. Exit code 1 when there is none.

    \b
    Examples:
      assistant conversations search "chess opening"
      assistant conversations search rain --conversation 3
    """
    from assistant.cli.opening import open_store
    from assistant.cli.output import moment, print_json, print_table

    with open_store(db) as store:
        hits = store.search(text, limit, conversation)
    if json:
        print_json(hits)
    elif hits:
        rows = [(h.conversation_id, moment(h.created_at), h.role, h.snippet) for h in hits]
        print_table(("id", "when", "role", "text"), rows)
    else:
        typer.echo("nothing found", err=True)
    raise typer.Exit(0 if hits else 1)


@app.command()
def export(
    id: options.Id,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="A new .json, .md or .jsonl file.")
    ] = None,
    form: Annotated[
        Literal["json", "md", "jsonl"], typer.Option("--format", "-f", help="What to print without --output.")
    ] = "md",
    db: options.Database = None,
) -> None:
    """Write a conversation: the whole tree (json), or the active branch (md, ShareGPT jsonl).

    \b
    Examples:
      assistant conversations export 3 > chat.md
      assistant conversations export 3 --output chat.json
      assistant conversations export 3 --format jsonl >> train.jsonl
    """
    from assistant.cli.opening import open_store
    from assistant.cli.output import print_file
    from assistant.terminal.left_out import left_out_note
    from assistant.transfer.write import serialise, write_conversation

    with open_store(db) as store:
        if output is None:
            print_file(serialise(store, id, form))
        else:
            write_conversation(store, id, output)
            typer.echo(f"written to {output}", err=True)
            form = "json" if output.suffix.lower() == ".json" else "md"
        if note := left_out_note(store, id, form):
            typer.echo(note, err=True)


@app.command("import")
def import_(file: options.File, db: options.Database = None) -> None:
    """Take conversations in: our JSON, Markdown or JSONL, or an export of ChatGPT or Open WebUI.

    \b
    Examples:
      assistant conversations import chat.json
      assistant conversations import ~/Downloads/conversations.json
    """
    from assistant.cli.opening import open_store
    from assistant.cli.output import print_table
    from assistant.transfer.importing import import_file

    with open_store(db) as store:
        report = import_file(store, file)
        rows = [(id, store.conversation(id).title) for id in report.conversation_ids]
    print_table(("id", "title"), rows)
    for skipped in report.skipped:
        typer.echo(f"left out: {skipped}", err=True)


@app.command()
def delete(
    id: options.Id,
    forever: Annotated[bool, typer.Option("--forever", help="Not into the trash: erase it.")] = False,
    yes: options.Yes = False,
    db: options.Database = None,
) -> None:
    """Move a conversation to the trash, or erase it.

    \b
    Examples:
      assistant conversations delete 3
      assistant conversations delete 3 --forever --yes
    """
    from assistant.cli.opening import open_store

    with open_store(db) as store:
        conversation = store.conversation(id)
        act = "Erase for good" if forever else "Move to the trash"
        name = conversation.title or f"conversation {id}"
        if not yes and not typer.confirm(f"{act}: {name} ({conversation.messages} messages)?", err=True):
            raise typer.Exit(1)
        if forever:
            store.delete(id)
        else:
            store.trash(id)
            typer.echo(f"in the trash; back with: assistant conversations restore {id}", err=True)


@app.command()
def restore(id: options.Id, db: options.Database = None) -> None:
    """Take a conversation back from the trash.

    \b
    Examples:
      assistant conversations restore 3
    """
    from assistant.cli.opening import open_store

    with open_store(db) as store:
        store.restore(id)


@app.command()
def archive(id: options.Id, db: options.Database = None) -> None:
    """Put a conversation away: out of the list, still found by search.

    \b
    Examples:
      assistant conversations archive 3
      assistant conversations list --archived
    """
    from assistant.cli.opening import open_store

    with open_store(db) as store:
        store.set_archived(id, True)


@app.command()
def unarchive(id: options.Id, db: options.Database = None) -> None:
    """Take a conversation back from the archive.

    \b
    Examples:
      assistant conversations unarchive 3
    """
    from assistant.cli.opening import open_store

    with open_store(db) as store:
        store.set_archived(id, False)


@app.command()
def pin(id: options.Id, db: options.Database = None) -> None:
    """Mark a conversation as one to keep at hand.

    \b
    Examples:
      assistant conversations pin 3
    """
    from assistant.cli.opening import open_store

    with open_store(db) as store:
        store.set_pinned(id, True)


@app.command()
def unpin(id: options.Id, db: options.Database = None) -> None:
    """Take the mark off a conversation.

    \b
    Examples:
      assistant conversations unpin 3
    """
    from assistant.cli.opening import open_store

    with open_store(db) as store:
        store.set_pinned(id, False)


@app.command()
def rename(id: options.Id, title: Annotated[str, typer.Argument(metavar="TITLE")], db: options.Database = None) -> None:
    """Give a conversation another title.

    \b
    Examples:
      assistant conversations rename 3 "Chess openings"
    """
    from assistant.cli.opening import open_store

    with open_store(db) as store:
        store.set_title(id, title)


@app.command()
def tag(
    id: options.Id,
    tags: Annotated[list[str] | None, typer.Argument(metavar="[TAG]...", help="Tags to add.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", "-r", metavar="TAG")] = None,
    db: options.Database = None,
) -> None:
    """Add and remove tags, and print those that are left.

    \b
    Examples:
      assistant conversations tag 3 chess games
      assistant conversations tag 3 --remove games
    """
    from assistant.cli.opening import open_store

    with open_store(db) as store:
        store.conversation(id)
        for name in tags or []:
            store.add_tag(id, name)
        for name in remove or []:
            store.remove_tag(id, name)
        typer.echo(" ".join(store.tags(id)))


def _marks(summary: ConversationSummary) -> str:
    return (" (pinned)" if summary.pinned else "") + "".join(f" #{tag}" for tag in summary.tags)
