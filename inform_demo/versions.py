"""Versions of everything that can move a reward. Reads package metadata only, so it costs no import."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("inform-demo", "torch", "transformers", "tokenizers", "accelerate", "bitsandbytes", "gradio")


def installed_versions() -> dict[str, str]:
    """Package name -> version, Python first; packages that are not installed are left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
