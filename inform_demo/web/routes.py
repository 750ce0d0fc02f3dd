"""Which addresses the server answers, and what kind of thing each asks for.

A list of what is let in, because Gradio has more routes than this page uses, and the next version may have more still:
a proxy for any public URL (`file=https://...`), one for Spaces, uploads for components that are not there, an editor.
Knows paths only.
"""

from __future__ import annotations

import re
from enum import StrEnum
from urllib.parse import unquote

_PAGE = {
    "",
    *("assets", "static", "svelte", "favicon.ico", "theme.css", "manifest.json", "robots.txt"),
    *("config", "login", "logout"),
}
_API = {
    *("app_id", "call", "cancel", "heartbeat", "info", "login_check", "openapi.json", "queue", "reset"),
    *("run", "startup-events", "theme.css", "token", "upload", "upload_progress", "user"),
}
_FILE = "file="

# No address of the page has such a character, and Gradio fails over some.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Kind(StrEnum):
    """What a request is for."""

    SCORE = "score"  # joins the line for the model
    UPLOAD = "upload"
    ASIDE = "aside"  # answered without the line: token counts, exports, the state of the model
    AGENT = "agent"  # MCP: whether it scores is in its body
    LOGIN = "login"
    NOTE = "note"  # any other POST: says something, such as that a request is given up, and asks for nothing
    OTHER = "other"


def is_served(path: str, mcp: bool) -> bool:
    """Whether the path is one of the page, of its API or, with `mcp`, of the tools for agents."""
    if ".." in unquote(path).replace("\\", "/").split("/") or _CONTROL.search(path):
        return False
    first, _, rest = path.lstrip("/").partition("/")
    if first != "gradio_api":
        return first in _PAGE
    name = rest.split("/")[0]
    if name.startswith(_FILE):
        # A path of an upload; anything with a scheme or a host is fetched by Gradio for whoever asks.
        target = unquote(rest.removeprefix(_FILE)).strip().lower()
        return "://" not in target and not target.startswith(("//", "http:", "https:"))
    return name in _API or (mcp and name == "mcp")


def kind_of(method: str, path: str) -> Kind:
    """What a request that is served is for."""
    if method != "POST":
        return Kind.OTHER
    first, _, rest = path.strip("/").partition("/")
    if first == "login":
        return Kind.LOGIN
    name = rest.split("/")[0]
    kinds = {"call": Kind.SCORE, "run": Kind.ASIDE, "upload": Kind.UPLOAD, "mcp": Kind.AGENT}
    if first != "gradio_api":
        return Kind.NOTE
    return Kind.SCORE if rest == "queue/join" else kinds.get(name, Kind.NOTE)
