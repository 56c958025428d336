"""The `guardrails` command."""
