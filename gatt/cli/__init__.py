"""The `gatt` command, one file a subcommand."""
