"""Ghost Attention's data: dialogues, instructions, sampled answers that obey."""
