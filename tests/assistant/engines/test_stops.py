from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assistant.engines.stops import StopBuffer

alphabet = st.sampled_from("abc")


@given(
    pieces=st.lists(st.text(alphabet, max_size=4), max_size=12),
    stops=st.lists(st.text(alphabet, min_size=1, max_size=4), max_size=3),
)
def test_any_chunking_gives_the_text_before_the_first_stop(pieces: list[str], stops: list[str]) -> None:
    text = "".join(pieces)
    ends = [at for stop in stops if (at := text.find(stop)) >= 0]
    buffer = StopBuffer(tuple(stops))
    shown = ""
    for piece in pieces:
        shown += buffer.push(piece)
        assert not any(stop in shown for stop in stops)
    shown += buffer.flush()
    # Chunks decide only when a stop is seen, so of overlapping stops the earlier complete one may win.
    assert text.startswith(shown)
    assert buffer.stopped == bool(ends)
    if not ends:
        assert shown == text
    if len(stops) == 1 and ends:
        assert shown == text[: ends[0]]
