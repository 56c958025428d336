"""Markdown as HTML that is safe to put on a page: nothing that was typed or generated becomes markup of its own.

Raw HTML stays text, a link goes to the web or to mail or nowhere, and a picture becomes a link, because loading it
would tell a stranger's server that it was read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.texmath import texmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from ui.formulas import formula

_LINK = re.compile(r"(https?|mailto):", re.IGNORECASE)
_NAME: Final = re.compile(r"[\w+#.-]{1,30}")
# Colouring longer code would hold up the reply.
_COLOURED: Final = 20_000


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802, the library's name
        """Whether a link is made at all."""
        return _LINK.match(url) is not None


class _Renderer(RendererHTML):
    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """Code with the name of its language, coloured, and a button that copies it."""
        words = tokens[idx].info.split()
        return _code(tokens[idx].content, words[0] if words else "")

    def code_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """Indented code."""
        return _code(tokens[idx].content, "")

    def link_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """A link opens beside the chat, and does not tell where it was followed from."""
        tokens[idx].attrSet("target", "_blank")
        tokens[idx].attrSet("rel", "noopener noreferrer nofollow")
        return self.renderToken(tokens, idx, options, env)

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """A link to a picture, with its description."""
        source, words = str(tokens[idx].attrs.get("src", "")), tokens[idx].content or "picture"
        return f'<a href="{escape(source)}" target="_blank" rel="noopener noreferrer nofollow">{escape(words)}</a>'

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """Wide tables scroll by themselves."""
        return '<div class="table"><table>'

    def table_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """See `table_open`."""
        return "</table></div>"


def _inline(renderer: RendererHTML, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
    return formula(tokens[idx].content, block=False)


def _block(renderer: RendererHTML, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
    return formula(tokens[idx].content, block=True)


def _parser() -> MarkdownIt:
    parser = _Parser("commonmark", {"html": False, "breaks": True}, renderer_cls=_Renderer)
    parser.enable(["table", "strikethrough"])
    parser.use(dollarmath_plugin, allow_space=False, allow_digits=False, allow_labels=False, double_inline=True)
    parser.use(texmath_plugin, delimiters="brackets")
    # In place of what the two plugins would write.
    parser.add_render_rule("math_inline", _inline)
    for name in ("math_inline_double", "math_block", "math_block_eqno"):
        parser.add_render_rule(name, _block)
    return parser


_PARSER = _parser()


@lru_cache(2_000)
def to_html(text: str) -> Markup:
    """A reply's text as HTML."""
    return Markup(_PARSER.render(text))


def _code(text: str, language: str) -> str:
    language = language if _NAME.fullmatch(language) else ""
    return (
        f'<div class="code"><div class="bar"><span>{escape(language or "text")}</span>'
        '<button type="button" data-copy aria-label="Copy code">Copy</button></div>'
        f'<pre tabindex="0"><code>{_coloured(text, language)}</code></pre></div>\n'
    )


def _coloured(text: str, language: str) -> str:
    if language and len(text) <= _COLOURED:
        try:
            lexer = get_lexer_by_name(language, stripnl=False)
        except ClassNotFound:
            return escape(text)
        return str(highlight(text, lexer, HtmlFormatter(nowrap=True)))
    return escape(text)
