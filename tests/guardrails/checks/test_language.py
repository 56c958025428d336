from __future__ import annotations

import subprocess
import sys

import pytest

from guardrails.checks import language
from guardrails.checks.check import Check

SENTENCES = {
    "en": "Gravity is the pull that every object has on every other object.",
    "fr": "La gravité est la force qui attire les objets les uns vers les autres.",
    "es": "La gravedad es la fuerza que atrae los objetos entre sí.",
    "de": "Die Schwerkraft ist die Kraft, mit der sich Körper gegenseitig anziehen.",
    "it": "La gravità è la forza che attrae gli oggetti tra loro.",
    "pt": "A gravidade é a força que atrai os objetos uns para os outros.",
    "nl": "Zwaartekracht is de kracht waarmee voorwerpen elkaar aantrekken.",
    "ru": "Гравитация — это сила, которая притягивает тела друг к другу.",
    "ja": "重力とは、物体どうしが互いに引き合う力です。",
    "zh": "重力是物体之间相互吸引的力。",
    "ko": "중력은 물체들이 서로 끌어당기는 힘입니다.",
    "hi": "गुरुत्वाकर्षण वह बल है जो वस्तुओं को एक दूसरे की ओर खींचता है।",
    "ar": "الجاذبية هي القوة التي تجذب الأجسام بعضها إلى بعض.",
    "la": "Gallia est omnis divisa in partes tres, quarum unam incolunt Belgae.",
}


@pytest.mark.parametrize("spoken", SENTENCES)
def test_a_sentence_is_in_its_language_alone(spoken: str) -> None:
    assert [code for code in SENTENCES if language.speaks(SENTENCES[spoken], code)] == [spoken]


@pytest.mark.parametrize(
    ("reply", "code", "passes"),
    [
        ("Oui.", "fr", True),
        ("Oui.", "de", False),
        ("Yes.", "en", True),
        ("Yes.", "fr", False),
        ("Je m'appelle Claude.", "fr", True),
        ("My name is Napoleon.", "fr", False),
        ("THE CAPITAL OF FRANCE IS PARIS.", "en", True),
        ("LA CAPITALE DE LA FRANCE EST PARIS.", "en", False),
        ("Jeg heter Anna og liker tennis.", "nb", True),
        ("A minha cor favorita é azul.", "pt-BR", True),
        ("42", "fr", True),
        ("😀!", "fr", True),
    ],
)
def test_short_replies(reply: str, code: str, passes: bool) -> None:
    assert Check(kind="language", value=code).passes(reply) is passes


def test_the_same_reply_gets_the_same_verdict() -> None:
    assert len({language.speaks("Ja, tennis!", "de") for _ in range(20)}) == 1


def test_checks_load_no_model_until_they_need_it() -> None:
    code = (
        "import sys; from guardrails.checks.check import Check;"
        "Check(kind='language', value='fr'); Check(kind='haiku'); Check(kind='lower').passes('a');"
        "print([name for name in ('py3langid', 'numpy', 'torch') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
