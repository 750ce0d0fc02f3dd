"""Every way a checkpoint can be unfit ends in a typed error with the way out; every choice comes with its reason."""

from __future__ import annotations

import builtins
import json
import shutil

import pytest
import torch

from inform_demo import load_scorer
from inform_demo.config import EMBEDDED_MODEL, ModelConfig
from inform_demo.errors import CheckpointError, ConfigError, LoadError, MissingDependencyError, NotEnoughMemoryError
from inform_demo.loading import _device_map, load_model
from inform_demo.modeling import INFORMForSequenceClassification
from inform_demo.placement import GIB, GPU_WORKING_BYTES, Device, find_devices, resolve_placement, weight_bytes
from tests.conftest import tiny_config

NEEDS = {"fp32": 280 * GIB, "bf16": 130 * GIB, "int8": 66 * GIB, "nf4": 36 * GIB}
CPU = Device(None, "cpu", 400 * GIB)


def gpus(*sizes):
    return [Device(i, f"gpu {i}", size * GIB) for i, size in enumerate(sizes)]


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "my-model"
    shutil.copytree(EMBEDDED_MODEL, folder)
    return folder


def load(folder, precision="auto"):
    return load_scorer(str(folder), precision)


def test_a_folder_of_this_architecture_loads_and_scores_as_the_embedded_one(checkpoint, embedded_scorer):
    scorer = load(checkpoint)
    assert (scorer.report.model, scorer.report.is_embedded) == ("my-model", False)
    assert scorer.compare("Hi", "Hello.", "No.").margin == embedded_scorer.compare("Hi", "Hello.", "No.").margin


def test_the_environment_names_the_model(checkpoint, monkeypatch):
    monkeypatch.setenv("INFORM_MODEL", str(checkpoint))
    assert load_scorer().report.model == "my-model"
    monkeypatch.setenv("INFORM_PRECISION", "fp64")
    with pytest.raises(ConfigError, match=r"precision must be one of .*; got 'fp64'"):
        load_scorer()


def test_the_default_is_the_embedded_model_and_says_so(embedded_scorer, monkeypatch):
    monkeypatch.delenv("INFORM_MODEL", raising=False)
    report = embedded_scorer.report
    assert ModelConfig.from_env().is_embedded
    assert (report.is_embedded, report.n_parameters) == (True, 56_965_825)
    for reason in (report.precision_reason, report.attention_reason, report.placement_reason):
        assert len(reason) > 7
    assert report.weight_bytes == sum(p.numel() * p.element_size() for p in embedded_scorer._model.parameters())
    assert report.memory_bytes > 0
    assert {"torch", "transformers"} <= report.versions.keys()


def test_a_folder_that_is_not_there():
    with pytest.raises(CheckpointError, match=r"no folder \./nowhere/at/all"):
        load("./nowhere/at/all")


def test_a_hub_id_that_cannot_be_reached():
    with pytest.raises(CheckpointError, match=r"nobody/nothing: its config\.json could not be read"):
        load("nobody/nothing")


def test_a_folder_without_config(tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load(tmp_path)


def test_a_foreign_checkpoint_is_named(checkpoint):
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**config, "architectures": ["LlamaForCausalLM"]}))
    with pytest.raises(CheckpointError, match=r"expected architecture INFORM.*got LlamaForCausalLM over llama"):
        load(checkpoint)


def test_a_config_that_is_no_json(checkpoint):
    (checkpoint / "config.json").write_text("{broken")
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load(checkpoint)


def test_a_truncated_shard(checkpoint):
    shard = max(checkpoint.glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="its weights could not be read"):
        load(checkpoint)


def test_a_missing_shard(checkpoint):
    shard = min(checkpoint.glob("*.safetensors"))
    shard.unlink()
    with pytest.raises(CheckpointError, match=shard.name):
        load(checkpoint)


def test_a_missing_tokenizer(checkpoint):
    (checkpoint / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match="its tokenizer could not be read"):
        load(checkpoint)


def test_pickled_weights_are_never_read(checkpoint):
    for shard in checkpoint.glob("model*"):
        shard.unlink()
    torch.save({}, checkpoint / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="its weights could not be read"):
        load(checkpoint)


def test_a_limit_above_the_checkpoints_own_is_lowered_to_it(checkpoint):
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 77}))
    assert load(checkpoint).report.max_tokens == 77


@pytest.mark.parametrize("precision", ["int8", "nf4"])
def test_quantised_on_a_cpu_keeps_the_head_and_the_score(precision, embedded_scorer):
    scorer = load(EMBEDDED_MODEL, precision)
    assert scorer.report.precision == precision
    assert type(scorer._model.score[0]) is torch.nn.Linear
    assert {parameter.dtype for parameter in scorer._model.score.parameters()} == {torch.float32}
    assert type(scorer._model.model.layers[0].mlp.up_proj) is not torch.nn.Linear
    texts = ("What is 2 + 2?", "2 + 2 = 4, because two and two make four.", "Bananas.")
    quantised, exact = scorer.compare(*texts), embedded_scorer.compare(*texts)
    assert quantised.margin == pytest.approx(exact.margin, abs=1.0)
    assert quantised.margin != exact.margin
    swapped = scorer.compare(texts[0], texts[2], texts[1])
    assert (swapped.reward_a, swapped.reward_b) == (quantised.reward_b, quantised.reward_a)


def test_without_bitsandbytes_the_pip_line_is_given(monkeypatch):
    real_import = builtins.__import__

    def no_bitsandbytes(name, *arguments, **keywords):
        if name == "bitsandbytes":
            raise ImportError(name)
        return real_import(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", no_bitsandbytes)
    with pytest.raises(MissingDependencyError, match="pip install bitsandbytes"):
        load(EMBEDDED_MODEL, "int8")


def test_too_little_memory_names_both_figures_and_what_would_fit(monkeypatch):
    monkeypatch.setattr("inform_demo.loading.find_devices", lambda: [Device(None, "cpu", GIB // 2 + 90_000_000)])
    with pytest.raises(NotEnoughMemoryError, match=r"needs 0\.2 GiB on cpu.*--precision int8 or nf4"):
        load(EMBEDDED_MODEL, "fp32")


@pytest.mark.parametrize(
    ("devices", "precision", "n_devices"),
    [
        (gpus(140), "bf16", 1),
        (gpus(79, 79), "bf16", 2),
        (gpus(79), "int8", 1),
        (gpus(47), "nf4", 1),
        ([CPU], "bf16", 1),
    ],
)
def test_auto_takes_the_most_exact_that_fits(devices, precision, n_devices):
    placement = resolve_placement(NEEDS, "auto", devices)
    assert (placement.precision, len(placement.devices)) == (precision, n_devices)
    assert all(len(reason) > 7 for reason in (placement.precision_reason, placement.reason))


def test_auto_on_a_cpu_without_bf16_takes_fp32():
    assert resolve_placement(NEEDS, "auto", [CPU], fast_bf16=False).precision == "fp32"


def test_nothing_fits():
    with pytest.raises(NotEnoughMemoryError, match=r"needs 36\.0 GiB on gpu 0, where 20\.0 GiB"):
        resolve_placement(NEEDS, "auto", gpus(24))


def test_asking_for_too_much_names_what_would_fit():
    with pytest.raises(NotEnoughMemoryError, match="--precision int8 or nf4"):
        resolve_placement(NEEDS, "bf16", gpus(79))


def test_weight_bytes_of_a_loaded_model_are_what_was_computed_before(embedded_scorer):
    with torch.device("meta"):
        skeleton = INFORMForSequenceClassification(embedded_scorer._model.config)
    assert weight_bytes(skeleton)[embedded_scorer.report.precision] == embedded_scorer.report.weight_bytes


def published_skeleton():
    """INF-ORM-Llama3.1-70B without bytes."""
    with torch.device("meta"):
        return INFORMForSequenceClassification(
            tiny_config(
                vocab_size=128_256,
                hidden_size=8192,
                intermediate_size=28_672,
                num_hidden_layers=80,
                num_attention_heads=64,
                num_key_value_heads=8,
                pad_token_id=None,
            )
        )


def test_the_published_model_has_its_published_size():
    skeleton = published_skeleton()
    assert sum(parameter.numel() for parameter in skeleton.parameters()) == pytest.approx(69.57e9, rel=1e-3)
    needs = weight_bytes(skeleton)
    assert needs["bf16"] / 2**20 == pytest.approx(132_695, rel=2e-3)
    assert needs["int8"] / 2**20 == pytest.approx(67_440, rel=1e-2)
    assert 35_000 < needs["nf4"] / 2**20 < 38_900


@pytest.mark.parametrize(("precision", "size"), [("bf16", 79), ("int8", 40), ("nf4", 24)])
def test_several_gpus_get_whole_layers_and_nothing_is_spilled(precision, size):
    skeleton = published_skeleton()
    placement = resolve_placement(weight_bytes(skeleton), precision, gpus(size, size))
    device_map = _device_map(placement, skeleton)
    assert set(device_map.values()) == {0, 1}
    layers = [where for name, where in sorted(device_map.items()) if name.startswith("model.layers.")]
    assert len(layers) == 80


def test_a_spread_that_would_spill_is_refused():
    """Together there is room for the bytes, but not for whole layers on each."""
    skeleton = published_skeleton()
    exactly = weight_bytes(skeleton)["bf16"] + 5 * GPU_WORKING_BYTES
    tight = [Device(i, f"gpu {i}", exactly // 5 + 1) for i in range(5)]
    placement = resolve_placement(weight_bytes(skeleton), "bf16", tight)
    with pytest.raises(NotEnoughMemoryError, match="Whole layers do not divide evenly"):
        _device_map(placement, skeleton)


def test_this_machine_has_a_device_with_room():
    assert all(device.room_bytes > 0 for device in find_devices())


def test_out_of_memory_while_loading_is_a_load_error(monkeypatch):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(INFORMForSequenceClassification, "from_pretrained", fail)
    with pytest.raises(LoadError, match="out of memory while loading"):
        load_model(ModelConfig())
