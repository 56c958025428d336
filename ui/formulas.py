"""LaTeX as MathML, which browsers draw without a script or a font of their own."""

from __future__ import annotations

from html import escape
from typing import Final
from xml.etree import ElementTree

from latex2mathml.converter import convert

# What a formula may be made of: no link, no handler, no foreign content.
_ELEMENTS = """
    math mrow mi mo mn mtext ms mspace mfrac msqrt mroot msub msup msubsup munder mover munderover mtable mtr mtd
    mstyle mpadded mphantom menclose mmultiscripts mprescripts none semantics
"""
_PROPERTIES = """
    display displaystyle scriptlevel mathvariant stretchy fence form separator lspace rspace movablelimits accent
    accentunder linethickness columnalign rowalign columnspacing rowspacing columnlines rowlines width height depth
    minsize maxsize largeop symmetric notation
"""
_TAGS: Final = frozenset(_ELEMENTS.split())
_ATTRIBUTES: Final = frozenset(_PROPERTIES.split())
# A person reads formulas of some hundred characters; conversion of nested ones is slow.
_LONGEST: Final = 2_000


def formula(latex: str, *, block: bool) -> str:
    """The formula as MathML, or as code where it cannot be read."""
    shown = f"<code>{escape(latex)}</code>"
    if len(latex) > _LONGEST:
        return shown
    try:
        tree = ElementTree.fromstring(convert(latex, display="block" if block else "inline"))
        return ElementTree.tostring(_plain(tree), encoding="unicode")
    except Exception:  # the converter raises whatever it stumbles over, and half a formula is no error
        return shown


def _plain(element: ElementTree.Element) -> ElementTree.Element:
    name = element.tag.rpartition("}")[2]
    kept = ElementTree.Element(name if name in _TAGS else "mrow")
    kept.attrib = {key: value for key, value in element.attrib.items() if key in _ATTRIBUTES}
    kept.text, kept.tail = element.text, element.tail
    kept.extend([_plain(child) for child in element])
    return kept
