"""The web chat."""

import os

# Read when gradio is imported or starts. Nothing is told to anybody; and after each event it would summarise all events
# so far for a monitoring page that is off.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(2**62)
os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"
