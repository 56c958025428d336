"""The instructions of IFEval (Zhou et al. 2023, arXiv 2311.07911) as checks.

A row has `instruction_id_list` and `kwargs`, in step, as published with google-research/instruction_following_eval. Its
strict mode is meant: a reply follows an instruction if it passes all of that instruction's checks. The verdicts are the
published verifiers' but for these: languages are told by another model, which takes text in capitals as small letters;
sentences are counted by rules (`counts.sentences`); JSON must be an object or an array; curly quotation marks wrap a
reply, too, and any quotes may follow an ending; of several blank lines only one counts when paragraphs are numbered; a
bullet needs text or a space after it on its line; capital words are found without NLTK's tokenizer; a keyword is text,
not a pattern, and underscores around a forbidden word do not hide it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from guardrails.checks.check import Check

Arguments = Mapping[str, Any]

CONSTRAINED_RESPONSES = "My answer is yes.|My answer is no.|My answer is maybe."
ENGLISH = Check(kind="language", value="en")

INSTRUCTIONS: dict[str, Callable[[Arguments], list[Check]]] = {
    "change_case:capital_word_frequency": lambda given: [
        Check(kind="capital_words", count=given["capital_frequency"], relation=given["capital_relation"])
    ],
    "change_case:english_capital": lambda _: [Check(kind="upper"), ENGLISH],
    "change_case:english_lowercase": lambda _: [Check(kind="lower"), ENGLISH],
    "combination:repeat_prompt": lambda given: [Check(kind="repeat_prompt", value=given["prompt_to_repeat"])],
    "combination:two_responses": lambda _: [Check(kind="two_responses")],
    "detectable_content:number_placeholders": lambda given: [
        Check(kind="placeholders", count=given["num_placeholders"])
    ],
    "detectable_content:postscript": lambda given: [Check(kind="postscript", value=given["postscript_marker"])],
    "detectable_format:constrained_response": lambda _: [Check(kind="constrained_choice", value=CONSTRAINED_RESPONSES)],
    "detectable_format:json_format": lambda _: [Check(kind="json")],
    "detectable_format:multiple_sections": lambda given: [
        Check(kind="sections", value=given["section_spliter"], count=given["num_sections"])
    ],
    "detectable_format:number_bullet_lists": lambda given: [
        Check(kind="bullet_points", count=given["num_bullets"], relation="exactly")
    ],
    "detectable_format:number_highlighted_sections": lambda given: [
        Check(kind="highlights", count=given["num_highlights"])
    ],
    "detectable_format:title": lambda _: [Check(kind="title")],
    "keywords:existence": lambda given: [Check(kind="mentions", value=word, count=1) for word in given["keywords"]],
    "keywords:forbidden_words": lambda given: [Check(kind="avoids", value=word) for word in given["forbidden_words"]],
    "keywords:frequency": lambda given: [
        Check(kind="mentions", value=given["keyword"], count=given["frequency"], relation=given["relation"])
    ],
    "keywords:letter_frequency": lambda given: [
        Check(kind="letter_count", value=given["letter"], count=given["let_frequency"], relation=given["let_relation"])
    ],
    "language:response_language": lambda given: [Check(kind="language", value=given["language"])],
    "length_constraints:nth_paragraph_first_word": lambda given: [
        Check(kind="paragraphs", count=given["num_paragraphs"], relation="exactly"),
        Check(kind="first_word_of_paragraph", value=given["first_word"], count=given["nth_paragraph"]),
    ],
    "length_constraints:number_paragraphs": lambda given: [
        Check(kind="paragraphs", value="***", count=given["num_paragraphs"], relation="exactly")
    ],
    "length_constraints:number_sentences": lambda given: [
        Check(kind="sentences", count=given["num_sentences"], relation=given["relation"])
    ],
    "length_constraints:number_words": lambda given: [
        Check(kind="words", count=given["num_words"], relation=given["relation"])
    ],
    "punctuation:no_comma": lambda _: [Check(kind="no_comma")],
    "startend:end_checker": lambda given: [Check(kind="closing", value=given["end_phrase"], relation="exactly")],
    "startend:quotation": lambda _: [Check(kind="quoted")],
}


def instructions_of(row: Mapping[str, Any]) -> list[list[Check]]:
    """The checks of each of the row's instructions, in their order."""
    found = []
    for identifier, given in zip(row["instruction_id_list"], row["kwargs"], strict=True):
        if identifier not in INSTRUCTIONS:
            raise ValueError(f"{identifier!r} is not an instruction of IFEval")
        found.append(INSTRUCTIONS[identifier](given))
    return found


def checks_of(row: Mapping[str, Any]) -> list[Check]:
    """All checks of the row, instruction by instruction."""
    return [check for instruction in instructions_of(row) for check in instruction]
