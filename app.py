"""Entry of the Space and of `python app.py`: settings from the environment, then the page.

Knows nothing else; the main path goes on in `inform_demo.ui.layout`.
"""

from __future__ import annotations

import sys

from inform_demo.config import ModelConfig, ServeConfig
from inform_demo.errors import InformError
from inform_demo.ui.layout import serve

if __name__ == "__main__":
    try:
        serve(ModelConfig.from_env(), ServeConfig.from_env())
    except InformError as error:
        sys.stderr.write(f"inform-demo: {error}\n")
        sys.exit(2)
