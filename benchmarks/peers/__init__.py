"""Other libraries that guard streams, each run in an environment of its own."""
