"""Who a visitor is, and whether a password is the right one.

Knows addresses, Hugging Face's session and `hmac`; knows nothing of routes. The address is the peer's, or what a
trusted proxy forwarded, which uvicorn has put in its place before.
"""

from __future__ import annotations

import hmac
import importlib.util
import os
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from starlette.types import Scope

from inform_demo.config import HUGGING_FACE, SPACE_PROXIES, ServeConfig
from inform_demo.errors import ConfigError, MissingDependencyError


def password_check(auth: str) -> Callable[[str, str], bool] | None:
    """What Gradio asks at its login: right only if both are; None where no password is asked for.

    Both parts are compared in full and in constant time, so that the answer's time says nothing about either.
    """
    if not auth or auth == HUGGING_FACE:
        return None
    user, _, password = auth.partition(":")

    def is_right(given_user: str, given_password: str) -> bool:
        same_user = hmac.compare_digest(given_user.encode(errors="replace"), user.encode())
        same_password = hmac.compare_digest(given_password.encode(errors="replace"), password.encode())
        return same_user & same_password

    return is_right


def check_sign_in(config: ServeConfig) -> None:
    """Refuse a configuration that asks for Hugging Face's sign-in where there is none.

    Raises:
        ConfigError: this is no Space, or one without `hf_oauth: true`.
        MissingDependencyError: what Gradio needs for it is not installed.
    """
    if config.auth != HUGGING_FACE:
        return
    if not config.is_space or not os.environ.get("OAUTH_CLIENT_ID"):
        raise ConfigError(
            "auth is huggingface, which only a Space with hf_oauth: true in its README can offer. "
            "Elsewhere, expected user:password."
        )
    if not all(map(importlib.util.find_spec, ("authlib", "itsdangerous"))):
        raise MissingDependencyError("authlib", "Signing in with Hugging Face", "pip install 'gradio[oauth]'")


def proxies_of(config: ServeConfig) -> str:
    """The addresses whose X-Forwarded-For is believed, by comma; "" for none."""
    return config.trusted_proxies if config.trusted_proxies is not None else SPACE_PROXIES if config.is_space else ""


def signed_in_user(scope: Scope) -> str | None:
    """The name of a visitor who has signed in with Hugging Face, from the signed session cookie."""
    info: dict[str, Any] = scope.get("session", {}).get("oauth_info") or {}
    if info.get("expires_at", float("inf")) < time.time():
        return None
    name = (info.get("userinfo") or {}).get("preferred_username")
    return str(name) if name else None


def visitor_of(scope: Scope) -> str:
    """The one to whom a limit applies: who is signed in, else the address; of IPv6 the network that one line has."""
    if user := signed_in_user(scope):
        return f"user {user}"
    host = (scope.get("client") or ("", 0))[0]
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    return str(address.ipv4_mapped or ip_network((int(address), 64), strict=False))
