"""The bundled chat model, from data to weights."""
