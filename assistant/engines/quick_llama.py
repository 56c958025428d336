"""The forward of a small Llama in few calls.

A small model's step takes as long in Python, and in the many small operations of transformers' forward, as in its
products of matrices. Here are a third of the operations: what reads the same numbers is one product, and positions are
turned by a table. For one token the products' weights are read column by column, in long stretches, which takes half
the time; of larger models replies that run together would be slower for it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import linear, rms_norm, silu
from transformers import LlamaForCausalLM
from transformers.modeling_outputs import CausalLMOutput


class QuickLlama(LlamaForCausalLM):
    """transformers' Llama, with another forward where a `Pack` is given (see `packed`).

    For models of the default kind alone: no biases, SiLU, rotary embeddings of one frequency table.
    """

    def lay_out(self) -> None:
        """Put the loaded weights where the forward wants them; transformers' own forward reads them there, too."""
        self._layers: list[tuple[torch.Tensor, ...]] = []
        for layer in self.model.layers:
            attention, mlp = layer.self_attn, layer.mlp
            self._layers.append(
                (
                    layer.input_layernorm.weight,
                    _together(attention.q_proj, attention.k_proj, attention.v_proj),
                    attention.o_proj.weight,
                    layer.post_attention_layernorm.weight,
                    _together(mlp.gate_proj, mlp.up_proj),
                    mlp.down_proj.weight,
                )
            )
        embeddings = self.model.embed_tokens.weight
        embeddings.data = _by_columns(embeddings)
        positions = torch.arange(self.config.max_position_embeddings)[None]
        cosines, sines = self.model.rotary_emb(embeddings, positions)
        half = sines.shape[-1] // 2
        # (positions, 1, size): each half of a head is turned with the other, one of them backwards.
        self._cosines = cosines[0, :, None]
        self._sines = torch.cat((-sines[..., :half], sines[..., half:]), -1)[0, :, None]

    def forward(self, input_ids: Any = None, pack: Any = None, **options: Any) -> Any:
        """See `Packed`. Without a pack it is transformers' own."""
        if pack is None:
            return super().forward(input_ids=input_ids, **options)
        logits: Any = self._logits(input_ids[0], options["position_ids"][0], options["logits_to_keep"], pack)
        return CausalLMOutput(logits=logits[None])

    def _logits(self, ids: torch.Tensor, places: torch.Tensor, kept: torch.Tensor, pack: Any) -> torch.Tensor:
        """Logits (kept, vocabulary) of tokens (tokens,) at these places of their sequences."""
        config: Any = self.config
        heads, shared, size = config.num_attention_heads, config.num_key_value_heads, config.head_dim
        width, epsilon = (config.hidden_size,), config.rms_norm_eps
        cosines, sines = self._cosines[places], self._sines[places]
        states = self.model.embed_tokens.weight[ids]
        for index, (norm, to_heads, from_heads, second_norm, to_wide, from_wide) in enumerate(self._layers):
            each = linear(rms_norm(states, width, norm, epsilon), to_heads).view(len(ids), -1, size)
            turned, values = each.split([heads + shared, shared], 1)
            turned = torch.addcmul(turned * cosines, turned.roll(size // 2, -1), sines)
            query, key, value = (t.transpose(0, 1)[None] for t in (*turned.split([heads, shared], 1), values))
            attended = pack.attend(index, query, key, value, size**-0.5)
            states = states + linear(attended.reshape(len(ids), -1), from_heads)
            gate, up = linear(rms_norm(states, width, second_norm, epsilon), to_wide).chunk(2, -1)
            states = states + linear(silu(gate) * up, from_wide)
        return linear(rms_norm(states[kept], width, self.model.norm.weight, epsilon), self.lm_head.weight)


def _together(*layers: torch.nn.Linear) -> torch.Tensor:
    """The weights of several layers in one matrix, of which the layers keep parts."""
    joined = _by_columns(torch.cat([layer.weight.data for layer in layers]))
    for layer, part in zip(layers, joined.split([layer.out_features for layer in layers]), strict=True):
        layer.weight.data = part
    return joined


def _by_columns(matrix: torch.Tensor) -> torch.Tensor:
    return matrix.detach().t().contiguous().t()
