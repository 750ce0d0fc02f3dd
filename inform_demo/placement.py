"""Which precision, on which devices: arithmetic on bytes before anything is loaded; each choice has its reason.

Knows how much memory is free and what a model takes (`footprint`). Loads nothing. A model goes on one device if it
fits, else over several GPUs in whole layers, and is refused if it does not fit there either: what is spilled to the CPU
or to disk answers in minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from inform_demo.config import Precision, PrecisionChoice
from inform_demo.errors import NotEnoughMemoryError
from inform_demo.footprint import Footprint
from inform_demo.memory import free_cpu_bytes, free_cuda_bytes

GIB = 2**30

# Kept free beside what a forward works with: the libraries' workspaces, and what the allocator cannot fill.
GPU_RESERVE_BYTES = GIB
CPU_RESERVE_BYTES = GIB // 4

# Most exact first, which is the order in which "auto" tries them. fp32 is four bytes for what the weights have in two.
AUTO_ORDER: tuple[Precision, ...] = ("bf16", "int8", "nf4")

# Memory of the cards on sale, in the GB of their names, which are GiB. About a hundredth of it is the driver's; cards
# that keep error correction codes in the same memory (T4, L4, L40S) have 6 % less than their names say.
CARD_SIZES = (16, 24, 32, 40, 48, 80, 96, 141, 180)
_DRIVER_SHARE = 0.01

DeviceMap = dict[str, int | str]


@dataclass(frozen=True)
class Device:
    """A place for weights: `index` is None for the CPU."""

    index: int | None
    name: str
    free_bytes: int

    def room_bytes(self, working_bytes: int) -> int:
        """What weights may take beside a forward that works with so much."""
        reserve = CPU_RESERVE_BYTES if self.index is None else GPU_RESERVE_BYTES
        return max(0, self.free_bytes - reserve - working_bytes)


@dataclass(frozen=True)
class Placement:
    """Where the weights go; `devices` has one entry, or several GPUs the model is spread over.

    Attributes:
        device_map: module name -> GPU index or "cpu"; {"": ...} where all are on one.
    """

    precision: Precision
    precision_reason: str
    devices: tuple[Device, ...]
    reason: str
    device_map: DeviceMap = field(default_factory=dict)

    @property
    def description(self) -> str:
        """Names for the page."""
        return " + ".join(device.name for device in self.devices)


def find_devices() -> list[Device]:
    """The GPUs with their free memory, else the CPU."""
    if torch.cuda.is_available():
        return [Device(i, torch.cuda.get_device_name(i), free_cuda_bytes(i)) for i in range(torch.cuda.device_count())]
    return [Device(None, "cpu", free_cpu_bytes())]


def has_fast_bf16() -> bool:
    """Whether this CPU multiplies bf16 natively; without, bf16 there is slower than fp32."""
    # torch has no public name for the question.
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001


def sold_card(index: int, size: float) -> Device:
    """A GPU that nothing else uses, of so many GB by its name."""
    return Device(index, f"{size:g} GB", int(size * GIB * (1 - _DRIVER_SHARE)))


def resolve_placement(
    footprints: Mapping[Precision, Footprint],
    choice: PrecisionChoice,
    devices: Sequence[Device],
    *,
    fast_bf16: bool = True,
    stored: Precision | None = None,
) -> Placement:
    """Precision and devices for a model.

    Args:
        devices: all GPUs, or the CPU alone; never both.
        fast_bf16: whether a CPU multiplies bf16 natively; without, "auto" prefers fp32 there.
        stored: the precision of a checkpoint that is quantised already, which "auto" then is.

    Raises:
        NotEnoughMemoryError: nothing asked for fits; names the precisions that would, and the cards.
    """
    on_cpu = devices[0].index is None
    order = (stored,) if stored else AUTO_ORDER if fast_bf16 or not on_cpu else ("fp32", *AUTO_ORDER)
    for precision in order if choice == "auto" else (choice,):
        device_map = resolve_device_map(footprints[precision], devices)
        if device_map:
            reason = "asked for"
            if choice == "auto":
                reason = _precision_reason(precision, on_cpu=on_cpu, fast_bf16=fast_bf16, stored=stored)
            return _describe(precision, reason, footprints[precision], devices, device_map)
    raise _refusal(footprints, order[-1] if choice == "auto" else choice, order, devices)


def resolve_device_map(footprint: Footprint, devices: Sequence[Device]) -> DeviceMap | None:
    """Each block's device: one for all if it has the room, else as few as hold them; None where it does not fit."""
    by_room = sorted(devices, key=lambda device: device.free_bytes, reverse=True)
    best = by_room[0]
    if footprint.weight_bytes <= best.room_bytes(footprint.working_bytes):
        return {"": "cpu" if best.index is None else best.index}
    for n in range(2, len(by_room) + 1):
        chosen = sorted((device.index or 0, device.room_bytes(footprint.working_bytes)) for device in by_room[:n])
        device_map = _spread(footprint.blocks, chosen)
        if device_map:
            return device_map
    return None


def count_cards(footprint: Footprint, size: float, most: int = 64) -> int | None:
    """How many GPUs of one size the model needs; None where not even `most` would do."""
    for n in range(1, most + 1):
        if resolve_device_map(footprint, [sold_card(i, size) for i in range(n)]):
            return n
    return None


def describe_cards(footprint: Footprint) -> str:
    """The smallest single card on sale that would do, and the smallest pair."""
    found = [
        next((f"{n} x {size} GB" for size in CARD_SIZES if (count_cards(footprint, size, n) or n + 1) <= n), "")
        for n in (1, 2)
    ]
    some = [cards for cards in found if cards]
    if some:
        return " or ".join(some)
    needed = count_cards(footprint, CARD_SIZES[-1])
    return f"{needed} x {CARD_SIZES[-1]} GB" if needed else "none on sale"


def _spread(blocks: Mapping[str, int], rooms: Sequence[tuple[int, int]]) -> DeviceMap | None:
    """Blocks in order over devices in order, each filled to the same share of its room, the least that holds them all.

    The blocks of one device stand together, so a forward changes device as seldom as it can.
    """
    if not _fill(blocks, rooms, 1.0):
        return None
    low, high = 0.0, 1.0
    for _ in range(20):
        share = (low + high) / 2
        low, high = (low, share) if _fill(blocks, rooms, share) else (share, high)
    return _fill(blocks, rooms, high)


def _fill(blocks: Mapping[str, int], rooms: Sequence[tuple[int, int]], share: float) -> DeviceMap | None:
    device_map: DeviceMap = {}
    left = iter(rooms)
    index, room = next(left)
    free = room * share
    for name, needed in blocks.items():
        while needed > free:
            following = next(left, None)
            if following is None:
                return None
            index, room = following
            free = room * share
        device_map[name] = index
        free -= needed
    return device_map


def _describe(
    precision: Precision, reason: str, footprint: Footprint, devices: Sequence[Device], device_map: DeviceMap
) -> Placement:
    size = f"{footprint.weight_bytes / GIB:,.2f} GiB of weights"
    used = tuple(d for d in devices if d.index in device_map.values() or (d.index is None and "" in device_map))
    if used[0].index is None:
        where = f"no GPU found; {size} fit in memory"
    elif len(used) == 1:
        where = f"{size} fit on one GPU, so nothing is spread or spilled"
    else:
        where = f"{size} need more than one GPU; {len(used)} of {len(devices)} share them in whole layers"
    return Placement(precision, reason, used, where, device_map)


def _precision_reason(precision: Precision, *, on_cpu: bool, fast_bf16: bool, stored: Precision | None) -> str:
    if stored:
        return "the checkpoint is stored in it"
    if precision == "fp32":
        return "this CPU has no fast bf16"
    if precision == "bf16":
        return "the precision the model is published in; it fits" + (
            " and this CPU is fast in it" if on_cpu and fast_bf16 else ""
        )
    return f"bf16 does not fit; {precision} is the most exact that does"


def _refusal(
    footprints: Mapping[Precision, Footprint], wanted: Precision, order: Sequence[Precision], devices: Sequence[Device]
) -> NotEnoughMemoryError:
    footprint = footprints[wanted]
    kept = sum(d.free_bytes - d.room_bytes(footprint.working_bytes) for d in devices)
    needed, free = footprint.weight_bytes + kept, sum(device.free_bytes for device in devices)
    fitting = [other for other in order if resolve_device_map(footprints[other], devices)]
    cards = [f"{p} on {describe_cards(footprints[p])}" for p in dict.fromkeys((*order, wanted))]
    ways_out = [
        *(["Whole layers do not divide evenly over these devices."] if needed <= free else []),
        *([f"Would fit here: --precision {' or '.join(fitting)}."] if fitting else []),
        f"Cards that would do: {'; '.join(cards)}. A smaller --max-tokens needs less room beside the weights.",
    ]
    return NotEnoughMemoryError(needed, free, " + ".join(device.name for device in devices), " ".join(ways_out))
