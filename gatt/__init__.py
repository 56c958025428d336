"""Makes an instruction stick by training: Ghost Attention."""
