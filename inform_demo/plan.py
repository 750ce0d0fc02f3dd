"""What a model needs and where it would go, for any set of cards: the arithmetic of loading, without loading.

Knows footprints and placements, and how both are told as a table or as JSON. Reads a config.json at most; of the
published 70B model not even that. Loads and downloads no weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from inform_demo.checkpoint import build_skeleton, read_or_know_config, stored_precision
from inform_demo.config import ModelConfig, Precision
from inform_demo.errors import ConfigError, NotEnoughMemoryError
from inform_demo.footprint import CONVERSATIONS, Footprint, measure
from inform_demo.placement import (
    CARD_SIZES,
    GIB,
    Device,
    count_cards,
    describe_cards,
    find_devices,
    has_fast_bf16,
    resolve_device_map,
    resolve_placement,
    sold_card,
)

# More than a machine has; it keeps a slip of the finger from being searched through.
_MOST_CARDS = 64


@dataclass(frozen=True)
class PlanRow:
    """One precision.

    Attributes:
        working_bytes: beside the weights, on each device.
        device_map: module name -> device; None where it does not fit.
        cards: the smallest single card and pair that would do.
        cards_needed: how many cards of each size on sale, None where 64 are not enough.
    """

    precision: Precision
    weight_bytes: int
    working_bytes: int
    device_map: dict[str, int | str] | None
    cards: str
    cards_needed: dict[int, int | None]


@dataclass(frozen=True)
class Plan:
    """Every precision on one set of devices, and what "auto" or the precision asked for comes to."""

    model: str
    n_parameters: int
    max_tokens: int
    devices: tuple[Device, ...]
    rows: tuple[PlanRow, ...]
    chosen: Precision | None
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """The fields in order, ready for `json.dumps`."""
        return asdict(self)


def parse_cards(text: str) -> list[Device]:
    """GPUs from text such as "2x80" or "1x80,2x48", in the GB that cards are sold as.

    Raises:
        ConfigError: it is no such text.
    """
    sizes: list[float] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)\s*x\s*(\d+(?:\.\d+)?)\s*", part, flags=re.IGNORECASE)
        if not found or not 0 < int(found[1]) <= _MOST_CARDS or float(found[2]) <= 0:
            raise ConfigError(f"--gpus must be like 2x80 or 1x80,2x48 (cards x GB); got {text!r}.")
        sizes += [float(found[2])] * int(found[1])
    if len(sizes) > _MOST_CARDS:
        raise ConfigError(f"--gpus may name at most {_MOST_CARDS} cards; got {len(sizes)}.")
    return [sold_card(i, size) for i, size in enumerate(sizes)]


def build_plan(config: ModelConfig, devices: Sequence[Device] | None = None) -> Plan:
    """The plan for a model; without devices, for those of this machine.

    Raises:
        CheckpointError: the config cannot be read, or is of another architecture.
    """
    checkpoint = read_or_know_config(config)
    stored = stored_precision(config.source, checkpoint, config.precision)
    devices = find_devices() if devices is None else devices
    max_tokens = min(config.max_tokens, checkpoint.max_position_embeddings)
    skeleton = build_skeleton(config.source, checkpoint)
    footprints = measure(skeleton, max_tokens)
    if stored:
        footprints = {stored: footprints[stored]}
    try:
        placement = resolve_placement(footprints, config.precision, devices, fast_bf16=has_fast_bf16(), stored=stored)
        chosen, reason = placement.precision, f"{placement.precision_reason}; {placement.reason}"
    except NotEnoughMemoryError as error:
        chosen, reason = None, str(error)
    return Plan(
        model=config.source if not config.is_embedded else "embedded",
        n_parameters=sum(parameter.numel() for parameter in skeleton.parameters()),
        max_tokens=max_tokens,
        devices=tuple(devices),
        rows=tuple(_row(precision, footprint, devices) for precision, footprint in footprints.items()),
        chosen=chosen,
        reason=reason,
    )


def _row(precision: Precision, footprint: Footprint, devices: Sequence[Device]) -> PlanRow:
    return PlanRow(
        precision,
        footprint.weight_bytes,
        footprint.working_bytes,
        resolve_device_map(footprint, devices),
        describe_cards(footprint),
        {size: count_cards(footprint, size) for size in CARD_SIZES},
    )


def render_plan(plan: Plan) -> str:
    """The plan as lines for a terminal."""
    names = ", ".join(f"{device.name} ({device.free_bytes / GIB:,.1f} GiB free)" for device in plan.devices)
    rows = [
        (
            row.precision,
            f"{row.weight_bytes / GIB:,.1f}",
            f"{row.working_bytes / GIB:,.1f}",
            _describe_map(row.device_map),
            row.cards,
        )
        for row in plan.rows
    ]
    needed = [(row.precision, *(str(n or "-") for n in row.cards_needed.values())) for row in plan.rows]
    return "\n".join(
        [
            f"{plan.model}: {plan.n_parameters / 1e9:,.2f} B parameters, "
            f"{CONVERSATIONS} conversations of {plan.max_tokens:,} tokens at once",
            f"on {names}",
            "",
            *_table(("precision", "weights, GiB", "room, GiB", "here", "cards that would do"), rows),
            "",
            "Cards needed, by GB as sold:",
            *_table(("precision", *map(str, CARD_SIZES)), needed),
            "",
            f"{plan.chosen}: {plan.reason}." if plan.chosen else plan.reason,
        ]
    )


def _describe_map(device_map: Mapping[str, int | str] | None) -> str:
    if not device_map:
        return "does not fit"
    if "" in device_map:
        where = device_map[""]
        return "all in memory" if where == "cpu" else f"all on GPU {where}"
    parts = []
    for index in dict.fromkeys(device_map.values()):
        layers = [int(name.rsplit(".", 1)[1]) for name, i in device_map.items() if i == index and ".layers." in name]
        parts.append(f"{index}: {f'{layers[0]}-{layers[-1]}' if layers else 'no layer'}")
    return f"layers on {'; '.join(parts)}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (head, *rows))
    return ["  ".join(line).rstrip() for line in lines]
