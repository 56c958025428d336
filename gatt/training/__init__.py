"""The fine-tuner: proved masks, loss on the last answer, a loop that resumes."""
