"""Hugging Face's ZeroGPU: a card for the seconds of one call, lent to a function that carries a decorator.

Knows the package `spaces`, which such a Space has and nothing else needs; without it, and with it on any other
hardware, a call is a call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inform_demo.types import Scorer

# The longest a comparison at the limit of tokens may hold the card; a shorter promise waits less in ZeroGPU's queue.
GPU_S = 60


def build_gpu_call(find: Callable[[], Scorer]) -> Callable[..., Any]:
    """A function that calls a method of the scorer by name, on a lent card where there are such.

    To be called before `launch`, which is when ZeroGPU looks for what is decorated. The call runs in a process forked
    from this one: the scorer is found there, and only arguments and results are copied.

    Args:
        find: gives the scorer, once it is loaded.
    """

    def call(name: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(find(), name)(*args, **kwargs)

    try:
        import spaces  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return call
    decorated: Callable[..., Any] = spaces.GPU(duration=GPU_S)(call)
    return decorated
