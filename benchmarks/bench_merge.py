"""How much memory the average of two checkpoints takes, beside the size of a shard.

    python benchmarks/bench_merge.py [--shards 6] [--shard-gib 1.0]

Makes two checkpoints of random numbers with the 70B model's largest tensors (a 128,256 x 8,192 embedding alone is 2 GiB
in bf16) cut to size, merges them in a process of its own, and writes that process's peak to benchmarks/results/.
Pages of the mapped input files count, too.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import torch
from safetensors.torch import save_file

from inform_demo.versions import installed_versions

RESULTS = Path(__file__).parent / "results"
WIDTH = 8192


def write_checkpoint(folder: Path, n_shards: int, shard_bytes: int, seed: int) -> None:
    """Shards of bf16: the first one tensor, as an embedding is, the others four tensors each."""
    folder.mkdir()
    generator = torch.Generator().manual_seed(seed)
    for shard in range(n_shards):
        n_tensors = 1 if shard == 0 else 4
        rows = shard_bytes // (2 * WIDTH * n_tensors)
        tensors = {
            f"layer{shard}.{i}": torch.empty(rows, WIDTH, dtype=torch.bfloat16).normal_(generator=generator)
            for i in range(n_tensors)
        }
        save_file(tensors, folder / f"model-{shard:05d}.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text("{}", encoding="utf-8")


def merge_and_measure(first: str, second: str, output: str) -> None:
    """In the process that is measured: print the peak before and after."""
    from inform_demo.recipe.merge import merge_checkpoints

    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # sets the count back to what is held now
    before = peak_bytes()
    merge_checkpoints(Path(first), Path(second), Path(output))
    print(json.dumps({"before": before, "after": peak_bytes()}))


def peak_bytes() -> int:
    """Most memory this process has held since the count was last set back, pages of mapped files included."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = re.search(r"VmHWM:\s*(\d+) kB", status)
    assert peak is not None, "this benchmark needs Linux"
    return int(peak[1]) * 1024


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=int, default=6)
    parser.add_argument("--shard-gib", type=float, default=1.0)
    options = parser.parse_args()
    shard_bytes = int(options.shard_gib * 2**30)
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch) / name for name in ("first", "second", "merged")]
        for seed, folder in enumerate(folders[:2]):
            write_checkpoint(folder, options.shards, shard_bytes, seed)
        command = [sys.executable, __file__, "measure", *map(str, folders)]
        measured = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    date = datetime.now(UTC).date()
    text = f"""# Merging: peak memory beside the size of a shard ({date})

{cpu[1] if cpu else "unknown CPU"}; {", ".join(f"{name} {version}" for name, version in installed_versions().items())}

`python benchmarks/bench_merge.py --shards {options.shards} --shard-gib {options.shard_gib}`

| shards of each parent | a shard, GiB | peak of the process, GiB | of that held before the merge, GiB |
| ---: | ---: | ---: | ---: |
| {options.shards} | {options.shard_gib:.2f} | {measured["after"] / 2**30:.2f} | {measured["before"] / 2**30:.2f} |
"""
    (RESULTS / f"merge-{date}.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    merge_and_measure(*sys.argv[2:]) if sys.argv[1:2] == ["measure"] else main()
