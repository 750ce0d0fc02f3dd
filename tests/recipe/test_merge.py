"""The average of two checkpoints: right, whole or not at all, and every mismatch named."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from inform_demo.cli import main
from inform_demo.errors import CheckpointError, ConfigError
from inform_demo.modeling import INFORMForSequenceClassification
from inform_demo.recipe import merge
from inform_demo.recipe.merge import merge_checkpoints
from inform_demo.recipe.storage import export_float8
from inform_demo.verification import RECORD


@pytest.fixture
def parents(tiny_base, tmp_path):
    """Two checkpoints with different weights; the second in several shards."""
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(tiny_base, first)
    model = INFORMForSequenceClassification.from_pretrained(tiny_base, dtype=torch.float32)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    shutil.copytree(tiny_base, second, ignore=shutil.ignore_patterns("*.safetensors"))
    model.save_pretrained(second, max_shard_size="3MB")
    assert len(list(second.glob("*.safetensors"))) > 1
    return first, second


def weights(folder):
    return INFORMForSequenceClassification.from_pretrained(folder, dtype=torch.float32).state_dict()


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("swapped", [False, True], ids=["one file", "shards"])
def test_every_weight_is_the_average(parents, tmp_path, weight, swapped):
    first, second = reversed(parents) if swapped else parents
    merged = weights(merge_checkpoints(first, second, tmp_path / "merged", weight))
    one, other = weights(first), weights(second)
    assert merged.keys() == one.keys()
    for name, tensor in merged.items():
        torch.testing.assert_close(tensor, weight * one[name] + (1 - weight) * other[name], atol=1e-6, rtol=1e-6)


def test_large_tensors_are_averaged_a_few_rows_at_a_time(parents, tmp_path, monkeypatch):
    whole = load_file(merge_checkpoints(*parents, tmp_path / "whole") / "model.safetensors")
    monkeypatch.setattr(merge, "_CHUNK", 1000)
    for name, tensor in load_file(merge_checkpoints(*parents, tmp_path / "rows") / "model.safetensors").items():
        assert torch.equal(tensor, whole[name]), name


def test_a_parent_that_is_not_finite_is_refused(parents, tmp_path):
    broken = load_file(parents[0] / "model.safetensors")
    broken["model.norm.weight"][3] = torch.inf
    save_file(broken, parents[0] / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"average of model\.norm\.weight is not finite"):
        merge_checkpoints(*parents, tmp_path / "merged")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]


def test_the_result_keeps_the_tokenizer_and_names_its_parents(parents, tmp_path):
    first, second = parents
    output = merge_checkpoints(first, second, tmp_path / "merged", 0.25)
    assert (output / "tokenizer.json").read_bytes() == (first / "tokenizer.json").read_bytes()
    record = json.loads((output / "merge.json").read_text())
    assert [(parent["name"], parent["weight"]) for parent in record["parents"]] == [("first", 0.25), ("second", 0.75)]
    digest = hashlib.sha256((first / "model.safetensors").read_bytes()).hexdigest()
    assert record["parents"][0]["sha256"] == {"model.safetensors": digest}
    assert len(record["parents"][1]["sha256"]) > 1


def change_config(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "rope_theta": 7.0}))


def change_tokenizer(folder):
    (folder / "tokenizer.json").write_text((folder / "tokenizer.json").read_text() + " ")


def change_old_template(folder):
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "chat_template": "{{ messages }}"}))


def change_weights(folder, change):
    file = folder / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, metadata={"format": "pt"})


MISMATCHES = {
    "config": (change_config, r"differ in their config: rope_theta \(7\.0 and None\)"),
    "tokenizer": (change_tokenizer, "differ in tokenizer.json"),
    "missing": (lambda f: change_weights(f, lambda t: t.pop("score.0.bias")), "first lacks weights .* score.0.bias"),
    "extra": (lambda f: change_weights(f, lambda t: t.update(x=torch.ones(1))), "second lacks weights .* x"),
    "shape": (
        lambda f: change_weights(f, lambda t: t.update({"score.0.bias": torch.ones(3)})),
        r"score.0.bias is F32 \[3\]",
    ),
    "dtype": (lambda f: change_weights(f, lambda t: t.update({"score.0.bias": t["score.0.bias"].half()})), "is F16"),
    "cut short": (lambda f: (f / "model.safetensors").write_bytes(b"cut"), "model.safetensors cannot be read"),
    "gone": (lambda f: (f / "model.safetensors").unlink(), "holds no .safetensors file"),
    "no config": (lambda f: (f / "config.json").unlink(), "config.json cannot be read"),
    "a config of another kind": (lambda f: (f / "config.json").write_text("[]"), "must hold a JSON object; got list"),
    "old template": (change_old_template, "differ in their chat template"),
    "weight map": (
        lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": null}'),
        "index.json could not be read",
    ),
    "index": (lambda f: (f / "model.safetensors.index.json").write_text("{"), "index.json cannot be read"),
}


@pytest.mark.parametrize("kind", MISMATCHES)
def test_every_mismatch_is_named_and_nothing_is_written(parents, tmp_path, kind):
    change, words = MISMATCHES[kind]
    change(parents[0])
    with pytest.raises(CheckpointError, match=words):
        merge_checkpoints(*parents, tmp_path / "merged")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]


def test_a_shard_that_the_index_names_is_missed(parents, tmp_path):
    min(parents[1].glob("*.safetensors")).unlink()
    with pytest.raises(CheckpointError, match="lacks weights that its index names"):
        merge_checkpoints(*parents, tmp_path / "merged")


def test_stored_float8_is_no_parent(parents, tmp_path):
    for name in ("a", "b"):
        export_float8(parents[0], tmp_path / name)
    with pytest.raises(CheckpointError, match="stored as F8_E4M3; average the trained checkpoints"):
        merge_checkpoints(tmp_path / "a", tmp_path / "b", tmp_path / "merged")


def test_a_merge_that_breaks_off_leaves_nothing_and_can_be_run_again(parents, tmp_path, monkeypatch):
    def full_disk(*_, **__):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(merge, "_average", full_disk)
        with pytest.raises(OSError, match="No space left"):
            merge_checkpoints(*parents, tmp_path / "merged")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]
    (tmp_path / ".merged.partial").mkdir()  # what a kill leaves
    merge_checkpoints(*parents, tmp_path / "merged")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "merged", "second"]


@pytest.mark.slow
def test_a_merge_that_is_killed_leaves_no_checkpoint(parents, tmp_path):
    script = f"""
import os, signal
from pathlib import Path
from inform_demo.recipe import merge
average = merge._average
def killed(name, files, weight):
    if "layers.1." in name:
        os.kill(os.getpid(), signal.SIGKILL)
    return average(name, files, weight)
merge._average = killed
merge.merge_checkpoints(Path({str(parents[1])!r}), Path({str(parents[0])!r}), Path({str(tmp_path / "merged")!r}))
"""
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=300).returncode == -signal.SIGKILL
    assert sorted(path.name for path in tmp_path.iterdir()) == [".merged.partial", "first", "second"]
    merge_checkpoints(*parents, tmp_path / "merged")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "merged", "second"]


def test_what_is_true_of_a_parent_only_is_not_taken_over(parents, tmp_path):
    for name in (RECORD, "results.json"):
        (parents[0] / name).write_text("{}", encoding="utf-8")
    merged = merge_checkpoints(*parents, tmp_path / "merged")
    assert not {RECORD, "results.json"} & {file.name for file in merged.iterdir()}


def test_the_command_and_its_faults(parents, tmp_path, capsys):
    command = ["merge", *map(str, parents), "--output", str(tmp_path / "merged")]
    assert main(command) == 0
    assert main(command) == 2
    assert "already exists" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"weight must be in \[0, 1\]; got 1.5"):
        merge_checkpoints(*parents, tmp_path / "other", 1.5)
