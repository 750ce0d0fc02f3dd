"""Lines that ask for a finished comparison again: with curl, in Python, on the command line.

Every text arrives as it was typed, whatever quotes it holds. Knows the quoting of shells and of Python; knows no
gradio, no scorer and no layout.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable

from inform_demo.types import Message
from inform_demo.ui.handlers import Outcome

# The page's own address where the browser did not say it.
DEFAULT_ADDRESS = "http://127.0.0.1:7860/"

# Linux passes no longer argument to a command, the closing zero byte included.
MOST_ARGUMENT_BYTES = 131_071


def turn_objects(messages: Iterable[Message]) -> list[dict[str, str]]:
    """Messages as the objects that chat APIs take."""
    return [{"role": message.role, "content": message.content} for message in messages]


def export_curl(outcome: Outcome, address: str = "") -> str:
    """Lines for a shell that ask this page again: one request for a place in its queue, one for the answer.

    The texts travel on standard input, in ASCII: an argument would have a limit, and quotes to get right.
    """
    inputs = outcome.inputs
    data = [inputs.prompt, inputs.response_a, inputs.response_b, inputs.system, turn_objects(inputs.earlier_turns)]
    endpoint = shlex.quote(f"{_base(address)}gradio_api/call/compare")
    return (
        f"EVENT=$(curl -sS -X POST {endpoint} -H 'Content-Type: application/json' --data-binary @- <<'JSON' |\n"
        f"{json.dumps({'data': data}, indent=2)}\nJSON\n"
        """  sed -n 's/.*"event_id": *"\\([^"]*\\)".*/\\1/p')\n"""
        f'curl -sS -N {endpoint}/"$EVENT"\n'
    )


def export_python(outcome: Outcome, address: str = "") -> str:
    """A script that asks this page again with Gradio's client."""
    inputs = outcome.inputs
    given: dict[str, object] = {
        "prompt": inputs.prompt,
        "response_a": inputs.response_a,
        "response_b": inputs.response_b,
        **({"system": inputs.system} if inputs.system else {}),
        **({"earlier_turns": turn_objects(inputs.earlier_turns)} if inputs.earlier_turns else {}),
    }
    lines = "".join(f"    {name}={value!r},\n" for name, value in given.items())
    return (
        "# pip install gradio_client\n"
        "from gradio_client import Client\n\n"
        f"client = Client({_base(address)!r}, verbose=False)\n"
        f'comparison = client.predict(\n{lines}    api_name="/compare",\n)\n'
        "print(comparison)\n"
    )


def export_command(outcome: Outcome, address: str = "") -> str:
    """A line for a shell that scores the same on one's own machine; a comment where no line can carry the texts."""
    inputs, report = outcome.inputs, outcome.report
    options = [] if report.is_embedded else [f"--model={report.model}"]
    options += [f"--precision={report.precision}", "--json"]
    # "--name=text" in one argument: a text that starts with "-" would be taken for an option.
    texts = [f"--prompt={inputs.prompt}", f"--response-a={inputs.response_a}", f"--response-b={inputs.response_b}"]
    if inputs.system:
        texts.append(f"--system={inputs.system}")
    if any("\0" in text for text in texts):
        return "# A command line cannot carry the NUL character that is in these texts. Take curl or Python instead.\n"
    if max(len(text.encode()) for text in texts) > MOST_ARGUMENT_BYTES:
        return "# These texts are longer than a command line may be. Take curl or Python instead.\n"
    is_folder = not report.is_embedded and report.revision is None
    note = "# The model came from a folder on the server: put your own path to it.\n" if is_folder else ""
    revision = "" if report.is_embedded or not report.revision else f"INFORM_REVISION={shlex.quote(report.revision)} "
    if not inputs.earlier_turns:
        return f"{note}{revision}inform-demo compare {shlex.join([*options, *texts])}\n"
    earlier = json.dumps(turn_objects(inputs.earlier_turns), indent=2)
    command = shlex.join([*options, "--conversation=/dev/stdin", *texts])
    return f"{note}{revision}inform-demo compare {command} <<'JSON'\n{earlier}\nJSON\n"


def _base(address: str) -> str:
    return f"{(address.strip() or DEFAULT_ADDRESS).rstrip('/')}/"
