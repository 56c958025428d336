"""The HTTP API: OpenAI's, and the product's own."""
