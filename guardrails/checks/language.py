"""Which language a reply is in, by py3langid, a maintained descendant of the langid.py that IFEval's codes come from.

IFEval itself uses langdetect, which draws random numbers, knows 55 languages and guesses worse at short text and at
capitals; the two agree on all of IFEval's 541 prompts.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

# What the model tells apart, of two letters: ISO 639-1.
MODEL_CODES = """
    af am an ar as az ba be bg bn br bs ca cs cy da de dz el en eo es et eu fa fi fo fr fy ga gd gl gu ha he hi
    hr ht hu hy id ig is it ja jv ka kk km kn ko ku ky la lb lg ln lo lt lv mg mk ml mn mr ms mt my ne nl nn no
    oc om or pa pl ps pt qu ro ru rw sa se si sk sl sn so sq sr st sv sw ta te tg th tk tl tr tt ug uk ur uz vi
    vo wa xh yo zh zu
"""
CODES = frozenset(MODEL_CODES.split())
# Norwegian has three codes for what the model often takes for each other.
SAME = {"no": ("no", "nn"), "nb": ("no", "nn"), "nn": ("nn", "no")}
# How many nats less likely than the best guess the wanted language may be. It decides only short text, where several
# languages are about as good: "Oui." is 0.1 from the best guess and 4.0 for English; a French sentence read as English
# is 20 to 60.
MARGIN = 3.5
LONGEST = 4_000


def _base(code: str) -> str:
    return code.strip().lower().replace("_", "-").split("-")[0]


def known(code: str) -> bool:
    """Whether replies can be told to be in the language; a region ("pt-BR") is ignored."""
    return _base(code) in CODES or _base(code) in SAME


@functools.cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(sorted(CODES))
    return identifier


def speaks(reply: str, code: str) -> bool:
    """Whether the reply's first 4,000 characters are mostly in the language.

    A reply of a word or two passes in every language in which it is about as likely. One without letters ("42", an
    emoji) is in no language and passes, as in IFEval. Text all in capitals is read as small letters, which the
    model knows better. A name alone may be taken for its bearer's language ("Albert Einstein." for German).
    """
    text = reply[:LONGEST].encode("utf-8", "replace").decode()
    if not any(character.isalpha() for character in text):
        return True
    if text == text.upper():
        text = text.lower()
    ranked = {language: float(score) for language, score in _identifier().rank(text)}
    wanted = max(ranked[language] for language in SAME.get(_base(code), (_base(code),)))
    return wanted >= max(ranked.values()) - MARGIN
