"""Ask a running page over HTTP: `python examples/call_the_api.py http://127.0.0.1:7860`."""

import sys

from gradio_client import Client

client = Client(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:7860", verbose=False)
comparison = client.predict(
    prompt="What is the capital of Australia?",
    response_a="Canberra.",
    response_b="I like kangaroos.",
    api_name="/compare",
)
print(comparison)
