"""What a call is for, by its JSON: how much it asks to be computed, and which files it means.

Knows the forms in which the page and programs send calls; knows no request and no file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from inform_demo.batch import MOST_API_PAIRS
from inform_demo.ranking import MOST_ANSWERS

# By this Gradio knows a file in an argument, wherever it is.
_FILE_TYPE = "gradio.FileData"

# Longer than any path that a system opens.
_MOST_PATH_CHARACTERS = 4096


def count_comparisons(call: Any, ranking: int | None = None) -> int:
    """What a call costs, in any form that the page and programs send it in; what cannot be told costs one.

    Each pair of a batch is a comparison, and so are two answers of a ranking: that many are computed. A call with more
    than are let in is refused after it was counted, so that it costs as much as the largest that is not.

    Args:
        call: the JSON.
        ranking: the number of the page's function that ranks; its arguments begin with how many answers are in use.
    """
    if not isinstance(call, dict):
        return 1
    data = call.get("data")
    given = data if isinstance(data, list) else []
    first = given[0] if given else call.get("pairs")
    if isinstance(first, list) and all(isinstance(pair, dict) for pair in first):
        return max(1, min(len(first), MOST_API_PAIRS))
    if isinstance(first, int | float):
        if call.get("fn_index") != ranking:
            return 1
        n_answers = int(min(first, len(given) - 3)) if first >= 0 else 0  # neither, where it is no number at all
    else:
        answers = given[1] if len(given) > 1 else call.get("responses")
        n_answers = len(answers) if isinstance(answers, list) else 0
    return max(1, (min(n_answers, MOST_ANSWERS) + 1) // 2)


def file_paths(value: Any) -> list[str]:
    """The path of each file that Gradio would find in a call, at any depth.

    The `url` beside a path is not looked at: of what a client sends, Gradio reads the path only.
    """
    paths, left = [], [value]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            path, meta = part.get("path"), part.get("meta")
            if isinstance(path, str) and isinstance(meta, dict) and meta.get("_type") == _FILE_TYPE:
                paths.append(path)
            left.extend(part.values())
        elif isinstance(part, list):
            left.extend(part)
    return paths


def is_within(path: str, folder: Path) -> bool:
    """Whether a path lies in a folder, by its words alone: to look there is what a client must not make us do."""
    if "\0" in path or len(path) > _MOST_PATH_CHARACTERS:
        return False
    return Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder))  # noqa: PTH100 - no link is followed
