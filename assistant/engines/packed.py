"""One forward for all sequences, without padding.

The new tokens of all sequences lie behind one another in one row of shape (1, tokens): linear layers, norms and rotary
embeddings are computed for all at once. Attention is computed for each sequence on its own cache, by a function
registered with transformers' attention interface, to which the step's `Pack` travels as a keyword of the forward. So
each sequence's result is what it would be alone, up to the order in which a matrix product of another height adds its
floats up: the last bits of a logit can depend on what runs beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from assistant.engines.forward import Cache, Forward, Row
from assistant.engines.one_by_one import LibraryCache, OneByOne

NAME = "steadfast_packed"
# What models may pass to their attention without changing what it computes.
PLAIN = {"position_ids", "dropout", "is_causal", "use_cache", "cache_position", "output_attentions"}
# Rotary embeddings that depend on the longest position of a forward, which here belongs to another sequence.
LENGTH_DEPENDENT_ROPES = {"dynamic", "longrope"}


class UnsupportedError(Exception):
    """The model's attention is none that is computed here."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a token takes in a cache: in each layer, for each head, a key and a value of these sizes."""

    windows: tuple[int | None, ...]
    """Of each layer, how many tokens it attends to, its own included; None is all."""
    heads: int
    key: int
    value: int
    dtype: torch.dtype
    device: torch.device

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return len(self.windows)


class PackedCache:
    """Keys and values (layers, 1, heads, capacity, size) of one sequence, of which `length` tokens are computed.

    Nothing before `length` is ever written again, so a copy may be taken at any time. Layers with a sliding window
    keep all tokens, too: so every cache can be cropped.
    """

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self.length = 0
        self.keys, self.values = self._buffers(0)

    @property
    def bytes(self) -> int:
        """See `Cache.bytes`."""
        return self.keys.nbytes + self.values.nbytes

    def copy(self, length: int) -> PackedCache:
        """See `Cache.copy`."""
        copied = PackedCache(self._shape)
        copied._move(self, length, length)
        return copied

    def crop(self, length: int) -> bool:
        """See `Cache.crop`."""
        self.length = length
        return True

    def reserve(self, length: int) -> None:
        """Make room for `length` tokens, and for half as many again if they must move."""
        if length > self.keys.shape[3]:
            self._move(self, self.length, length + length // 2)

    def _move(self, source: PackedCache, length: int, capacity: int) -> None:
        keys, values = self._buffers(capacity)
        keys[:, :, :, :length] = source.keys[:, :, :, :length]
        values[:, :, :, :length] = source.values[:, :, :, :length]
        self.keys, self.values, self.length = keys, values, length

    def _buffers(self, capacity: int) -> tuple[torch.Tensor, torch.Tensor]:
        shape = self._shape
        capacity = -(-capacity // 64) * 64
        return (
            torch.empty(shape.layers, 1, shape.heads, capacity, shape.key, dtype=shape.dtype, device=shape.device),
            torch.empty(shape.layers, 1, shape.heads, capacity, shape.value, dtype=shape.dtype, device=shape.device),
        )


class Pack:
    """The sequences of one forward: where their tokens lie in it, and their keys and values layer by layer."""

    def __init__(self, new: list[int], caches: list[PackedCache], windows: tuple[int | None, ...]) -> None:
        """`new` tokens of each sequence; its cache has room for them."""
        self.new = new
        self.windows = windows
        self.total = [cache.length + tokens for tokens, cache in zip(new, caches, strict=True)]
        self.attended = 0
        pairs = list(zip(new, caches, strict=True))
        # Views of all layers at once: taken in each layer for each sequence, they would cost more than the attention.
        # Each is [layer][sequence] of shape (1, heads, tokens, size).
        self._new_keys = list(zip(*(c.keys.narrow(3, c.length, t).unbind(0) for t, c in pairs), strict=True))
        self._new_values = list(zip(*(c.values.narrow(3, c.length, t).unbind(0) for t, c in pairs), strict=True))
        self._keys = list(zip(*(c.keys.narrow(3, 0, c.length + t).unbind(0) for t, c in pairs), strict=True))
        self._values = list(zip(*(c.values.narrow(3, 0, c.length + t).unbind(0) for t, c in pairs), strict=True))
        self._masks: dict[tuple[int, int | None], torch.Tensor | None] = {}

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scaling: float | None,
    ) -> torch.Tensor:
        """Attention (1, tokens, heads, size) of query, key and value (1, heads, tokens, size) in one layer."""
        self.attended += 1
        torch._foreach_copy_(self._new_keys[layer], key.split(self.new, 2))
        torch._foreach_copy_(self._new_values[layer], value.split(self.new, 2))
        parts = [
            self._attend_one(index, q, k, v, scaling, self.windows[layer])
            for index, (q, k, v) in enumerate(
                zip(query.split(self.new, 2), self._keys[layer], self._values[layer], strict=True)
            )
        ]
        together = parts[0] if len(parts) == 1 else torch.cat(parts, 2)
        return together.transpose(1, 2)

    def _attend_one(
        self,
        index: int,
        query: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        scaling: float | None,
        window: int | None,
    ) -> torch.Tensor:
        """Attention of one sequence's new tokens to all of its tokens."""
        new, total = self.new[index], self.total[index]
        if window is not None and total - new + 1 > window:
            # What lies before the first new token's window is seen by none.
            first = total - new + 1 - window
            keys, values = keys[:, :, first:], values[:, :, first:]
        heads, shared = query.shape[1], keys.shape[1]
        if new == 1:
            # One token sees all keys: the query heads that share keys are computed as if they were tokens.
            query = query if heads == shared else query.reshape(1, shared, heads // shared, -1)
            part = scaled_dot_product_attention(query, keys, values, scale=scaling)
            return part if heads == shared else part.reshape(1, heads, 1, -1)
        if heads != shared:
            keys, values = (t.repeat_interleave(heads // shared, 1) for t in (keys, values))
        mask = self._mask(index, window, query.device)
        return scaled_dot_product_attention(query, keys, values, mask, is_causal=mask is None, scale=scaling)

    def _mask(self, index: int, window: int | None, device: torch.device) -> torch.Tensor | None:
        """Which keys (new, seen) a sequence's new tokens see; None where it is all up to their own."""
        new, total = self.new[index], self.total[index]
        if new == total and (window is None or window >= total):
            return None
        if (index, window) not in self._masks:
            past = total - new
            first = 0 if window is None else max(0, past + 1 - window)
            places = torch.arange(past, total, device=device)[:, None]
            seen = torch.arange(first, total, device=device)[None, :]
            mask = seen <= places
            self._masks[index, window] = mask if window is None else mask & (seen > places - window)
        return self._masks[index, window]


def _packed_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    pack: Pack | None = None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """What a model's layers call instead of their own attention."""
    unknown = [name for name, option in options.items() if name not in PLAIN and option is not None]
    if pack is None or attention_mask is not None or unknown:
        raise UnsupportedError(f"attention with {unknown or 'a mask of its own'}")
    if sliding_window != pack.windows[module.layer_idx]:
        raise UnsupportedError(f"a window of {sliding_window} where the cache has {pack.windows[module.layer_idx]}")
    return pack.attend(module.layer_idx, query, key, value, scaling), None


# Registered without a function for masks, so that models make none.
AttentionInterface.register(NAME, _packed_attention)


class Packed:
    """See `Forward`."""

    most_rows = 1 << 16

    def __init__(self, model: Any, shape: Shape) -> None:
        self._model = model
        self._shape = shape

    def new_cache(self) -> Cache:
        """See `Forward.new_cache`."""
        return PackedCache(self._shape)

    def __call__(self, rows: Sequence[Row]) -> torch.Tensor:
        """See `Forward`."""
        caches: list[PackedCache] = []
        ids: list[int] = []
        positions: list[int] = []
        ends: list[int] = []
        for row in rows:
            assert isinstance(row.cache, PackedCache)
            length = row.cache.length
            row.cache.reserve(length + len(row.ids))
            caches.append(row.cache)
            ids += row.ids
            positions += range(length, length + len(row.ids))
            ends.append(len(ids) - 1)
        pack = Pack([len(row.ids) for row in rows], caches, self._shape.windows)
        device = self._shape.device
        output = self._model(
            input_ids=torch.tensor([ids], device=device),
            position_ids=torch.tensor([positions], device=device),
            logits_to_keep=torch.tensor(ends, device=device),
            use_cache=False,
            pack=pack,
        )
        if pack.attended != self._shape.layers:
            raise UnsupportedError(f"{pack.attended} of {self._shape.layers} layers use the attention interface")
        for cache, total in zip(caches, pack.total, strict=True):
            cache.length = total
        logits: torch.Tensor = output.logits[0].float()
        return logits


@torch.inference_mode()
def packed(model: Any) -> Packed | None:
    """The model as `Packed` if that gives its own logits; else None, and the model is left as it was."""
    attention = model.config._attn_implementation
    try:
        own, cache = _probe(OneByOne(model))
        assert isinstance(cache, LibraryCache)
        forward = Packed(model, _shape(model, cache.layers.layers))
        model.config._attn_implementation = NAME
        logits, _ = _probe(forward)
        # A wrong attention is off by much more; half precision alone is off by a hundredth.
        tolerance = 1e-3 if model.dtype == torch.float32 else 5e-2
        if torch.linalg.norm(logits - own) <= tolerance * torch.linalg.norm(own):
            return forward
    except Exception:  # models refuse an attention that is not theirs in many ways
        pass
    model.config._attn_implementation = attention
    return None


def _probe(forward: Forward) -> tuple[torch.Tensor, Cache]:
    """Logits (2, vocabulary) after two short sequences, and the cache of the first.

    Where they can be computed together they are begun, then gone on with by a part and by a single token.
    """
    first, second = forward.new_cache(), forward.new_cache()
    if forward.most_rows == 1:
        whole = Row([3, 7, 4, 8, 6], first), Row([9, 5, 2], second)
        return torch.cat([forward([row]) for row in whole]), first
    forward([Row([3, 7, 4], first), Row([9, 5], second)])
    return forward([Row([8, 6], first), Row([2], second)]), first


def _shape(model: Any, layers: list[Any]) -> Shape:
    """The shape of the model's cache, given the layers of transformers' own.

    Raises:
        UnsupportedError: it is none of those computed here.
    """
    config = model.config.get_text_config(decoder=True)
    ropes = str(getattr(config, "rope_parameters", None))
    if any(f"'{rope}'" in ropes for rope in LENGTH_DEPENDENT_ROPES):
        raise UnsupportedError("rotary embeddings that depend on the length")
    kinds = {type(layer) for layer in layers} - {DynamicLayer, DynamicSlidingWindowLayer}
    if kinds or getattr(config, "attention_chunk_size", None):
        raise UnsupportedError(f"layers that are neither full nor sliding-window attention: {kinds or 'chunked'}")
    if len({(layer.keys.shape[1], layer.keys.shape[3], layer.values.shape[3]) for layer in layers}) > 1:
        raise UnsupportedError("layers of different sizes")
    windows = tuple(layer.sliding_window if layer.is_sliding else None for layer in layers)
    keys, values = layers[0].keys, layers[0].values
    return Shape(windows, keys.shape[1], keys.shape[3], values.shape[3], keys.dtype, keys.device)
