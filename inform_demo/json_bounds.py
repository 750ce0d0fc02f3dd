"""How much there is in a JSON text, and how deep, told without parsing it.

What is small in bytes can be large as objects. Knows bytes only.
"""

from __future__ import annotations

import re

# A text is one match, and what it begins is never given up again: else a text of many escapes takes memory for each.
_PART = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+|[\[\]{},]', re.DOTALL)


def measure_json(data: bytes, most_parts: int, most_depth: int) -> tuple[int, int]:
    """Texts, brackets and commas of a JSON text, and how deep it is nested; what stands within texts does not count.

    Looks no further than it has to: one more than a bound is whatever is more.
    """
    n_parts = depth = deepest = 0
    for n_parts, part in enumerate(_PART.finditer(data), 1):
        first = data[part.start()]
        if first in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif first in b"]}":
            depth -= 1
        if n_parts > most_parts or depth > most_depth:
            break
    return n_parts, deepest
