"""Headers: what every answer carries, and how large those of a request are.

Knows ASGI's scopes and what a browser makes of a header; knows no route.
"""

from __future__ import annotations

from starlette.types import Scope

from inform_demo.config import SPACE_FRAMES, ServeConfig


def security_headers(config: ServeConfig) -> dict[str, str]:
    """What every answer carries.

    Gradio's page has scripts and styles in line and compiles the scripts of events, so both must be allowed; what is
    loaded, and where anything can be sent, is this server only.
    """
    frames = config.frame_ancestors
    if frames is None:
        frames = SPACE_FRAMES if config.is_space else ""
    policy = (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; "
        f"frame-ancestors 'self' {frames}"
    )
    return {
        "Content-Security-Policy": policy.strip(),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }


def head_bytes(scope: Scope) -> int:
    """About how many bytes the head of a request had: its address, and each header with what stands around it."""
    address = len(scope.get("raw_path") or b"") + len(scope.get("query_string", b""))
    return address + sum(len(name) + len(value) + 4 for name, value in scope["headers"])
