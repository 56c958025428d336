"""The reward model on vLLM, in this process: for judging many conversations at once, and for a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from guardrails import vllm_environment
from guardrails.errors import first_line
from guardrails.rendering import ChatTemplate, RenderingError
from guardrails.reward.model import Calibration, RewardError, RewardModel, read_calibration, reading_length, version_of

# For what is being judged; nothing is kept from one batch to the next.
CACHE_BYTES = 256 << 20


class VllmRewardModel(RewardModel):
    """A `RewardModel` whose logits vLLM computes. It judges; for training and figures there is the other."""

    def __init__(self, llm: Any, template: ChatTemplate, length: int, calibration: Calibration, version: str) -> None:
        """Prefer `open`. `llm` is vLLM's, with the pooling runner."""
        self.template = template
        self.length = length
        self.calibration = calibration
        self.version = version
        self._llm = llm

    @classmethod
    def open(cls, folder: Path) -> VllmRewardModel:
        """The model in a local Hugging Face folder. Takes seconds.

        Raises:
            RewardError: vLLM is not installed, or cannot load it.
        """
        if not vllm_environment.is_installed():
            raise RewardError(f"the safety model on vLLM needs vLLM: {vllm_environment.INSTALL}")
        vllm_environment.set_environment()
        try:
            template = ChatTemplate.from_folder(folder)
            from transformers import AutoConfig
            from vllm import LLM

            config = AutoConfig.from_pretrained(folder, local_files_only=True)
            length = reading_length(config)
            vllm_environment.share_groups()
            with vllm_environment.computing:
                llm = LLM(
                    str(folder),
                    runner="pooling",
                    dtype="float32",
                    enforce_eager=True,
                    kv_cache_memory_bytes=CACHE_BYTES,
                    use_tqdm_on_load=False,
                )
        except RenderingError as error:
            raise RewardError(str(error)) from error
        except Exception as error:  # a truncated download, too little memory, an architecture it does not know
            raise RewardError(f"vLLM cannot load {folder} as a classifier: {first_line(error)}") from error
        if config.num_labels != 1:
            raise RewardError(f"{folder} has {config.num_labels} labels: a reward model has one")
        return cls(llm, template, length, read_calibration(folder), version_of(folder))

    def _forward(self, rows: list[list[int]]) -> list[float]:
        from vllm import PoolingParams

        prompts = [{"prompt_token_ids": row} for row in rows]
        # The raw logit: the sigmoid is taken once, after the calibration.
        raw = PoolingParams(use_activation=False)
        with vllm_environment.computing:
            made = self._llm.classify(prompts, pooling_params=raw, use_tqdm=False)
        return [float(one.outputs.probs[0]) for one in made]
