"""What the benchmarks of scoring share: models by name, ways to score the same ids, floors, and where results go.

Models are a checkpoint, or `random:SIZE`: a seeded random Llama of that many parameters, made on the device in bf16.
"""

from __future__ import annotations

import copy
import platform
import re
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import torch
from transformers import LlamaConfig

from inform_demo.attention import TREE_ATTENTION
from inform_demo.config import ModelConfig
from inform_demo.kernels import resolve_kernel
from inform_demo.loading import load_model
from inform_demo.modeling import INFORMForSequenceClassification
from inform_demo.packing import build_pack
from inform_demo.versions import installed_versions

RESULTS = Path(__file__).parent / "results"

Sequences = Sequence[Sequence[int]]

# Layers, hidden, intermediate, heads, key-value heads, vocabulary. The last two are those of Llama 3.1.
SHAPES = {
    "0.1B": (8, 768, 2048, 12, 4, 32_000),
    "0.5B": (27, 1280, 3456, 20, 4, 32_000),
    "1B": (20, 2048, 5632, 32, 8, 32_000),
    "8B": (32, 4096, 14_336, 32, 8, 128_256),
    "70B": (80, 8192, 28_672, 64, 8, 128_256),
}


class Subject:
    """A model under test, and the ways to score the same token ids with the same weights.

    Args:
        model: a folder or hub id, None for the embedded model, or "random:SIZE".
    """

    def __init__(self, model: str | None, precision: str) -> None:
        if model and model.startswith("random:"):
            if precision not in {"bf16", "fp32"}:
                raise SystemExit(f"A random model is made in bf16 or fp32; got {precision}. Quantised: a checkpoint.")
            self.model = build_random(model.removeprefix("random:"), precision)
            n_parameters = sum(parameter.numel() for parameter in self.model.parameters())
            self.name = f"random Llama of {n_parameters / 1e9:.2f} B in {precision}"
        else:
            self.model, _, report = load_model(ModelConfig.from_env(model=model, precision=precision))
            self.name = f"{report.model} in {report.precision}"
        self.config: LlamaConfig = self.model.config
        self.device = self.model.device
        self.kernel, _ = resolve_kernel(self.device, self.model.dtype)
        # The card's head has the precision of the rest.
        self._card_head = copy.deepcopy(self.model.score).to(self.model.dtype)

    def ours(self, groups: Sequence[Sequences]) -> list[float]:
        """One forward over groups of conversations that start alike."""
        rewards: list[float] = self.model(pack=build_pack(groups).to(self.device)).logits[:, 0].tolist()
        return rewards

    def plain(self, sequences: Sequences) -> list[float]:
        """One pass a conversation by the very kernels of ours, with nothing shared."""
        return [self.ours([[ids]])[0] for ids in sequences]

    def card(self, sequences: Sequences) -> list[float]:
        """The card's published code: a pass a conversation, a KV cache built in each, the head on every token."""
        with self._without_packs():
            return [self._card_pass(ids) for ids in sequences]

    def _card_pass(self, ids: Sequence[int]) -> float:
        hidden = self.model.model(input_ids=torch.tensor([ids], device=self.device), use_cache=True)[0]
        return float(self._card_head(hidden)[0, -1, 0])

    def padded(self, sequences: Sequences, batch_size: int) -> list[float]:
        """Batches in the order given, padded on the right to the longest of each, one row a conversation.

        Kinder than RewardBench's pipeline: no cache is built, and the head reads one token a row.
        """
        rewards: list[float] = []
        with self._without_packs():
            for first in range(0, len(sequences), batch_size):
                batch = sequences[first : first + batch_size]
                width = max(map(len, batch))
                ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in batch], device=self.device)
                mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in batch], device=self.device)
                rewards += self.model(input_ids=ids, attention_mask=mask).logits[:, 0].tolist()
        return rewards

    @contextmanager
    def _without_packs(self) -> Iterator[None]:
        """The same modules under transformers' own attention."""
        self.config._attn_implementation = "sdpa"  # noqa: SLF001 - the public call does far more than a timing may hold
        try:
            yield
        finally:
            self.config._attn_implementation = TREE_ATTENTION  # noqa: SLF001

    def build_exact(self) -> Subject | None:
        """The same in fp32, where that is small enough to be had."""
        if sum(parameter.numel() for parameter in self.model.parameters()) > 2e9 or self._is_quantised:
            return None
        exact = copy.copy(self)
        exact.model = copy.deepcopy(self.model).float()
        exact.config = exact.model.config
        exact._card_head = exact.model.score  # noqa: SLF001 - a copy of itself
        return exact

    @property
    def _is_quantised(self) -> bool:
        return not all(parameter.is_floating_point() for parameter in self.model.parameters())

    def floor_s(self, groups: Sequence[Sequences], rate: float, bytes_per_s: float) -> float:
        """The least one forward can take: its products at the measured rate, or the weights read once.

        Args:
            rate: multiply-adds count as two operations a second.
        """
        layers = self.model.model.layers
        # By their shapes: a quantised matrix holds fewer numbers than it multiplies by.
        linears = [module for module in layers.modules() if isinstance(module, torch.nn.Linear)]
        n_weights = sum(linear.in_features * linear.out_features for linear in linears)
        n_bytes = sum(parameter.numel() * parameter.element_size() for parameter in layers.parameters())
        pack = build_pack(groups)
        n_seen = sum(s.n_tokens * s.n_prefix + s.n_tokens * (s.n_tokens + 1) / 2 for s in pack.segments)
        head_dim = getattr(self.config, "head_dim", None) or self.config.hidden_size // self.config.num_attention_heads
        attention = 4 * len(layers) * self.config.num_attention_heads * head_dim * n_seen
        return float(max((2 * n_weights * pack.n_tokens + attention) / rate, n_bytes / bytes_per_s))

    def measure_rates(self) -> tuple[float, float]:
        """Operations a second in a product of the model's shape, bytes a second of reading; best of several."""
        shape = (self.config.hidden_size, self.config.intermediate_size)
        on_gpu = self.device.type == "cuda"  # where little is over before it has begun
        rows = torch.randn(16_384 if on_gpu else 1024, shape[0], device=self.device, dtype=self.model.dtype)
        weight = torch.randn(*shape, device=self.device, dtype=self.model.dtype)
        block = torch.ones(2**30 if on_gpu else 2**26, device=self.device)
        product_s = min(self.time_once(lambda: rows @ weight) for _ in range(20))
        read_s = min(self.time_once(block.sum) for _ in range(5))
        return 2 * rows.shape[0] * weight.numel() / product_s, block.nbytes / read_s

    def time_once(self, way: Callable[[], object]) -> float:
        """Seconds, the device's work included."""
        began = time.perf_counter()
        way()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter() - began

    def time_in_turn(
        self, ways: Sequence[Callable[[], object]], n_warmup: int, n_runs: int, most_s: float
    ) -> list[list[float]]:
        """Seconds of each way in every round, A B A B ..., so that whatever else the machine does hits all of them.

        Args:
            most_s: no round begins after this many seconds, but three are always made.
        """
        for _ in range(n_warmup):
            for way in ways:
                way()
        seconds: list[list[float]] = [[] for _ in ways]
        began = time.perf_counter()
        for run in range(n_runs):
            if run >= 3 and time.perf_counter() - began > most_s:
                break
            for way, measured in zip(ways, seconds, strict=True):
                measured.append(self.time_once(way))
        return seconds


def build_random(size: str, precision: str) -> INFORMForSequenceClassification:
    """Made on the device: 70B would not fit in most machines' memory."""
    layers, hidden, intermediate, heads, kv_heads, vocabulary = SHAPES[size]
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=8192,
    )
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model: INFORMForSequenceClassification = INFORMForSequenceClassification._from_config(  # noqa: SLF001 - it has no public name
            config, attn_implementation=TREE_ATTENTION, dtype=dtype
        )
    model.score.float()
    model.eval().requires_grad_(requires_grad=False)
    return model


def show_ms(seconds: Sequence[float]) -> str:
    """Median / ninth decile in milliseconds."""
    return f"{1e3 * statistics.median(seconds):,.1f} / {1e3 * p90(seconds):,.1f}"


def p90(seconds: Sequence[float]) -> float:
    """The ninth decile."""
    return statistics.quantiles(seconds, n=10, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]


def largest_change(rewards: Sequence[float], others: Sequence[float]) -> float:
    """The largest difference of a reward."""
    return max(abs(a - b) for a, b in zip(rewards, others, strict=True))


def describe_hardware() -> str:
    """Processor or GPU, and how many cores torch uses."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text(encoding="utf-8"))
        name = found.group(1) if found else name
    return f"{name}, {torch.get_num_threads()} threads"


def describe_versions() -> str:
    """Of the packages that can move a time or a reward."""
    return ", ".join(f"{name} {version}" for name, version in installed_versions().items())


def command_line() -> str:
    """What was run, as it can be run again from the project's root."""
    return f"`{shlex.join(['python', f'benchmarks/{Path(sys.argv[0]).name}', *sys.argv[1:]])}`"


class Report:
    """A result as it grows: printed line by line, and written to results/ by hardware and date if it is no trial."""

    def __init__(self, name: str, title: str, *, is_trial: bool) -> None:
        self._is_trial = is_trial
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        slug = re.sub(r"[^a-z0-9]+", "-", f"{name} {describe_hardware()}".lower()).strip("-")
        # Nothing measured is written over: a second run of a day gets a number.
        files = (RESULTS / f"{slug}-{today}{f'-{i}' if i > 1 else ''}.md" for i in count(1))
        self._file = next(file for file in files if not file.exists())
        self._lines: list[str] = []
        self.add(f"# {title} ({today})", "", f"{describe_hardware()}; {describe_versions()}", "")

    def add(self, *lines: str) -> None:
        """Print, and keep what there is so far."""
        self._lines += lines
        print("\n".join(lines), flush=True)
        if not self._is_trial:
            RESULTS.mkdir(exist_ok=True)
            self._file.write_text("\n".join(self._lines) + "\n", encoding="utf-8")
