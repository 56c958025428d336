"""Small sums with their right answers."""

from __future__ import annotations

from random import Random

from recipes.bundled_chat.dialogues.turns import Turn, one_of, rough, table

SIGNS = {"+": ("+", "plus"), "-": ("-", "minus"), "*": ("*", "times")}


def solve(a: int, sign: str, b: int) -> int:
    return a + b if sign == "+" else a - b if sign == "-" else a * b


def sum_turn(rng: Random) -> Turn:
    sign = rng.choices(("+", "-", "*"), (45, 30, 25))[0]
    top = 100 if sign != "*" and rng.random() < 0.2 else 12 if sign == "*" else 20
    a, b = rng.randint(0, top), rng.randint(0, top)
    if sign == "-" and b > a:
        a, b = b, a
    data = table("arithmetic")
    result = str(solve(a, sign, b))
    if rng.random() < 0.15 and sign != "*" and a > 1 and b > 1:
        story = rng.choice(data["stories_plus" if sign == "+" else "stories_minus"])
        slots = {"a": str(a), "b": str(b), "thing": rng.choice(data["things"])}
        user = one_of(rng, [story], **slots)
        answer = one_of(rng, data["story_answers"], result=result, word=SIGNS[sign][1], **slots)
    else:
        said = rng.choice(SIGNS[sign])
        user = one_of(rng, data["questions"], a=str(a), sign=said, b=str(b))
        answer = one_of(rng, data["answers"], a=str(a), word=SIGNS[sign][1], b=str(b), result=result)
    return Turn(rough(user, rng), "answer", answer)


def big_sum(rng: Random) -> Turn:
    a, b = rng.randint(1200, 9_999_999), rng.randint(130, 99_999)
    data = table("arithmetic")
    sign = rng.choice(SIGNS[rng.choice(("+", "-", "*"))])
    user = one_of(rng, data["questions"], a=str(a), sign=sign, b=str(b))
    return Turn(rough(user, rng), "unknown", rng.choice(data["too_big"]))
