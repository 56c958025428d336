"""Everything that was said, kept."""
