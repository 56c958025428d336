"""Templates as HTML. Jinja escapes whatever they are given; only `markdown` and `marked` make markup of text.

Of a growing reply each beginning is drawn once, so none is remembered (`markdown_once`).
"""

from __future__ import annotations

from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from assistant.personas.persona import Persona
from assistant.store.records import SearchHit
from ui.follow import Progress
from ui.markdown import to_html
from ui.view import Shown

# So many messages are drawn at once; the earlier ones come when asked for.
DRAWN: Final = 100
_METER_WIDTH: Final = 90


def _marked(hit: SearchHit) -> Markup:
    """A snippet with the found words marked."""
    pieces, at = [], 0
    for start, end in hit.matches:
        pieces += [escape(hit.snippet[at:start]), Markup("<mark>{}</mark>").format(hit.snippet[start:end])]
        at = end
    return Markup("").join([*pieces, escape(hit.snippet[at:])])


_ENVIRONMENT = Environment(
    loader=PackageLoader("ui"), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
)
_ENVIRONMENT.filters |= {"markdown": to_html, "markdown_once": to_html.__wrapped__, "marked": _marked}


def render(template: str, **values: Any) -> str:
    """The template `template`.html with these values."""
    return _ENVIRONMENT.get_template(f"{template}.html").render(values)


def messages(shown: Shown, *, running: bool, everything: bool = False) -> str:
    """The branch, without a reply that is being written."""
    said = shown.said[:-1] if running else shown.said
    earlier = 0 if everything else max(0, len(said) - DRAWN)
    return render(
        "messages",
        greeting="" if earlier else shown.persona.greeting,
        speaker=shown.persona.title,
        earlier=earlier,
        messages=said[earlier:],
    )


def opening(persona: Persona) -> str:
    """What stands where a new conversation will be."""
    return render("messages", greeting=persona.greeting, speaker=persona.title, earlier=0, messages=[])


def live(speaker: str, reply: int) -> str:
    """Where the page shows the reply that is being written, as it comes by `live/{reply}`."""
    return render("live", reply=reply, growing=growing(speaker, Progress(reply)))


def growing(speaker: str, progress: Progress) -> Markup:
    """The reply that is being written, so far."""
    return Markup(
        render(
            "growing",
            id=progress.reply_id,
            speaker=speaker,
            text=progress.text,
            blocked=progress.blocked,
            notices=progress.notices,
        )
    )


def gallery(personas: list[Persona], chosen: str) -> str:
    """The personas to choose from."""
    return render("gallery", personas=personas, chosen=chosen)


def header(title: str, persona: str, *, conversation: int | None, running: bool, adherence: list[float]) -> str:
    """The line above the chat, with how well the persona was kept over the turns as a small chart."""
    kept = adherence[-30:]
    step = _METER_WIDTH / max(1, len(kept) - 1)
    dots = [(round(3 + at * step, 1), round(20 - 16 * share, 1), share >= 1) for at, share in enumerate(kept)]
    return render(
        "header",
        title=title,
        persona=persona,
        conversation=conversation,
        running=running,
        adherence=kept,
        mean=sum(kept) / len(kept) if kept else 0.0,
        width=_METER_WIDTH + 6,
        points=" ".join(f"{x},{y}" for x, y, _ in dots),
        dots=dots,
    )


def status(shown: Shown, window: int) -> str:
    """The line under the chat: who answers, on what, how far it is, and what is no longer sent."""
    last = shown.last_reply
    return render(
        "status",
        persona=shown.persona.title,
        model=last.model if last else shown.conversation.model,
        turns=shown.turns,
        window=window if last else 0,
        used=last.prompt_tokens + last.completion_tokens if last else 0,
        dropped=last.dropped_turns if last else 0,
    )
