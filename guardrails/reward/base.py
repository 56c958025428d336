"""A model to begin with: any chat model or encoder, with one label and a chat template.

An encoder has no chat template; it gets one whose markers are words of its vocabulary that no text has ([unused1] of
BERT's), or new ones. The label's head is new. A chat model keeps its template, and its head on the last token.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from guardrails.errors import first_line
from guardrails.rendering import load_tokenizer
from guardrails.reward.model import RewardError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ROLES = ("system", "user", "assistant")


def load_base(folder: Path) -> tuple[Any, PreTrainedTokenizerBase]:
    """The model with one label and its tokenizer, fit for `ChatTemplate`.

    Raises:
        RenderingError, RewardError: there is no model in the folder, or none with a head for labels.
    """
    import torch
    from transformers import AutoModelForSequenceClassification
    from transformers.utils import logging

    tokenizer = load_tokenizer(folder)
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # that the head is new is no news
    try:
        # Whatever the weights are kept in: in bfloat16 the small steps of training would be rounded away.
        model: Any = AutoModelForSequenceClassification.from_pretrained(
            folder, num_labels=1, dtype=torch.float32, local_files_only=True
        )
    except Exception as error:  # whatever is wrong with the folder
        raise RewardError(f"{folder} has no model to begin with: {first_line(error)}") from error
    model.config.use_cache = False
    model.config.problem_type = None
    if not tokenizer.chat_template:
        _add_template(tokenizer)
        if len(tokenizer) > model.get_input_embeddings().num_embeddings:
            model.resize_token_embeddings(len(tokenizer))
    return model, tokenizer


def _add_template(tokenizer: PreTrainedTokenizerBase) -> None:
    vocabulary = tokenizer.get_vocab()
    unused = [f"[unused{number}]" for number in range(1, len(ROLES) + 1)]
    markers = unused if all(token in vocabulary for token in unused) else [f"[{role}]" for role in ROLES]
    tokenizer.add_special_tokens({"additional_special_tokens": markers})
    system, user, assistant = markers
    begin, end = tokenizer.cls_token or tokenizer.bos_token or "", tokenizer.sep_token or tokenizer.eos_token or ""
    if not end:
        raise RewardError("the tokenizer has no token that ends a text: give it an eos_token or a sep_token")
    tokenizer.chat_template = (
        f"{begin}{{% for message in messages %}}"
        f"{{% if message['role'] == 'system' %}}{system}{{% elif message['role'] == 'user' %}}{user}"
        f"{{% else %}}{assistant}{{% endif %}}{{{{ message['content'] }}}}{end}"
        f"{{% endfor %}}{{% if add_generation_prompt %}}{assistant}{{% endif %}}"
    )
