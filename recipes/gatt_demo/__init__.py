"""Ghost Attention from nothing: a small world, a model that learns it in minutes, and what the method changes."""
