"""Which precision, on which device: arithmetic on bytes before anything is loaded; each choice has its reason.

Knows a model's shape (on the meta device, where parameters have no bytes) and how much memory is free. Loads nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from torch import nn

from inform_demo.config import Precision, PrecisionChoice
from inform_demo.errors import NotEnoughMemoryError

GIB = 2**30

# Kept free on every device for activations of the longest conversation and for the allocator.
GPU_WORKING_BYTES = 4 * GIB
CPU_WORKING_BYTES = GIB // 2

# Most exact first, which is the order in which "auto" tries them. fp32 is four bytes for what the weights have in two.
AUTO_ORDER: tuple[Precision, ...] = ("bf16", "int8", "nf4")

# Bytes of a quantised weight with its scales: int8 has one float32 a row, nf4 one float32 a block of 64, itself in 8
# bits.
_NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)


@dataclass(frozen=True)
class Device:
    """A place for weights: `index` is None for the CPU."""

    index: int | None
    name: str
    free_bytes: int

    @property
    def room_bytes(self) -> int:
        """What weights may take."""
        return max(0, self.free_bytes - (CPU_WORKING_BYTES if self.index is None else GPU_WORKING_BYTES))


@dataclass(frozen=True)
class Placement:
    """Where the weights go; `devices` has one entry, or several GPUs the model is spread over."""

    precision: Precision
    precision_reason: str
    devices: tuple[Device, ...]
    reason: str

    @property
    def description(self) -> str:
        """Names for the page."""
        return " + ".join(device.name for device in self.devices)


def find_devices() -> list[Device]:
    """The GPUs with their free memory, else the CPU."""
    if torch.cuda.is_available():
        return [
            Device(i, torch.cuda.get_device_name(i), torch.cuda.mem_get_info(i)[0])
            for i in range(torch.cuda.device_count())
        ]
    return [Device(None, "cpu", _free_cpu_bytes())]


def weight_bytes(model: nn.Module) -> dict[Precision, int]:
    """Bytes of the model's parameters in each precision; the model may live on the meta device.

    Quantised are the linear layers of the backbone; embeddings and norms stay in bf16, the score head in float32.
    """
    linears = [
        module.weight for name, module in model.named_modules() if isinstance(module, nn.Linear) and not _is_head(name)
    ]
    n_head = sum(parameter.numel() for name, parameter in model.named_parameters() if _is_head(name))
    n_quantised = sum(weight.numel() for weight in linears)
    n_rows = sum(weight.shape[0] for weight in linears)
    n_all = sum(parameter.numel() for parameter in model.parameters())
    rest = 2 * (n_all - n_quantised - n_head) + 4 * n_head
    return {
        "fp32": 4 * n_all,
        "bf16": rest + 2 * n_quantised,
        "int8": rest + n_quantised + 4 * n_rows,
        "nf4": rest + round(_NF4_BYTES * n_quantised),
    }


def resolve_placement(
    needs: Mapping[Precision, int], choice: PrecisionChoice, devices: Sequence[Device], *, fast_bf16: bool = True
) -> Placement:
    """Precision and devices for a model that needs `needs[precision]` bytes.

    Args:
        devices: all GPUs, or the CPU alone; never both, because a model spilled to the CPU answers in minutes.
        fast_bf16: whether a CPU multiplies bf16 natively; without, "auto" prefers fp32 there.

    Raises:
        NotEnoughMemoryError: nothing asked for fits; names the precisions that would.
    """
    on_cpu = devices[0].index is None
    room = sum(device.room_bytes for device in devices)
    where = " + ".join(device.name for device in devices)
    if choice == "auto":
        order = AUTO_ORDER if fast_bf16 or not on_cpu else ("fp32", *AUTO_ORDER)
        fitting = [precision for precision in order if needs[precision] <= room]
        if not fitting:
            way_out = "Free some memory, use more or larger devices, or choose a smaller model."
            raise NotEnoughMemoryError(needs["nf4"], room, where, way_out)
        precision = fitting[0]
        reason = _precision_reason(precision, on_cpu=on_cpu, fast_bf16=fast_bf16)
    else:
        precision, reason = choice, "asked for"
        if needs[precision] > room:
            smaller = [other for other in AUTO_ORDER if needs[other] <= room]
            way_out = f"Would fit: --precision {' or '.join(smaller)}." if smaller else "No precision fits there."
            raise NotEnoughMemoryError(needs[precision], room, where, way_out)
    return _place(precision, reason, needs[precision], devices)


def _place(precision: Precision, reason: str, needed: int, devices: Sequence[Device]) -> Placement:
    best = max(devices, key=lambda device: device.room_bytes)
    size = f"{needed / GIB:,.2f} GiB of weights"
    if best.index is None:
        return Placement(precision, reason, (best,), f"no GPU found; {size} fit in memory")
    if needed <= best.room_bytes:
        return Placement(precision, reason, (best,), f"{size} fit on one GPU, so nothing is spread or spilled")
    return Placement(precision, reason, tuple(devices), f"{size} need more than one GPU")


def _precision_reason(precision: Precision, *, on_cpu: bool, fast_bf16: bool) -> str:
    if precision == "fp32":
        return "this CPU has no fast bf16"
    if precision == "bf16":
        return "the precision the model is published in; it fits" + (
            " and this CPU is fast in it" if on_cpu and fast_bf16 else ""
        )
    return f"bf16 does not fit; {precision} is the most exact that does"


def _is_head(name: str) -> bool:
    return name.split(".", maxsplit=1)[0] == "score"


def _free_cpu_bytes() -> int:
    """Free memory, within the container's limit where there is one: the host's figure alone would promise too much."""
    free: int = psutil.virtual_memory().available
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii").strip()
    except OSError:
        return free
    return free if limit == "max" else min(free, int(limit) - int(used))
