"""The `assistant` command, one file a command. The composition root: it alone may import upwards, lazily."""
