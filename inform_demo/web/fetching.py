"""No address is fetched in a visitor's name: Gradio's way to do so is closed for the whole process.

Gradio takes an argument that refers to a file by "http..." for one that it has to download, into memory, of any size
and for as long as that takes, while whoever is next in the line waits. The gate lets no such argument in; this is for
one that comes by another way. Knows gradio's functions for it, which are not public; knows no request.
"""

from __future__ import annotations

from typing import Any, NoReturn

from gradio import processing_utils

from inform_demo.errors import InputError
from inform_demo.ui.events import api_error
from inform_demo.ui.texts import ENGLISH


async def _refuse(url: str, *args: Any, **kwargs: Any) -> NoReturn:
    raise api_error(InputError("Expected a file that was uploaded here; got the address of another."), ENGLISH)


def forbid_fetching() -> None:
    """From now on nothing in this process downloads a file for Gradio."""
    # What else downloads there calls one of these two.
    processing_utils.async_ssrf_protected_download = _refuse
    processing_utils.async_ssrf_protected_get = _refuse
