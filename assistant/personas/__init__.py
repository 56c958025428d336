"""Named, versioned instructions with their settings."""
