"""Every way a checkpoint can be unfit ends in a typed error with the way out; every choice comes with its reason."""

from __future__ import annotations

import builtins
import json
import shutil
import time
from itertools import groupby

import pytest
import torch

from inform_demo import load_scorer
from inform_demo.config import EMBEDDED_MODEL, ModelConfig
from inform_demo.errors import CheckpointError, ConfigError, LoadError, MissingDependencyError, NotEnoughMemoryError
from inform_demo.loading import _check_placed, load_model
from inform_demo.modeling import INFORMForSequenceClassification
from inform_demo.placement import GIB, Device, Placement
from inform_demo.plan import build_plan
from inform_demo.progress import ProgressTracker
from inform_demo.verification import load_verified_scorer
from tests.conftest import build_tiny_model


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


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_size": "x"},
        {"hidden_size": -8},
        {"vocab_size": "49152"},
        {"max_position_embeddings": None},
        {"num_attention_heads": 0},
        {"hidden_act": "no such thing"},
        {"pad_token_id": 10**9},
        {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True, "llm_int8_skip_modules": 5}},
        {"rope_parameters": {"rope_type": "no such thing", "rope_theta": 1.0}},
    ],
    ids=str,
)
def test_a_config_that_describes_no_model_is_told_and_no_traceback(checkpoint, change):
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(CheckpointError):
        load(checkpoint)
    with pytest.raises(CheckpointError):
        build_plan(ModelConfig(model=str(checkpoint)))


def test_a_header_whose_offsets_are_no_numbers(checkpoint):
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": ["a", "b"]}}).encode()
    max(checkpoint.glob("*.safetensors")).write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(CheckpointError, match=r"is no \.safetensors file"):
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
    monkeypatch.setattr("inform_demo.loading.find_devices", lambda: [Device(None, "cpu", GIB * 3 // 4)])
    with pytest.raises(
        NotEnoughMemoryError, match=r"needs 0\.9 GiB on cpu, where 0\.8.*--precision bf16 or int8 or nf4"
    ):
        load(EMBEDDED_MODEL, "fp32")


@pytest.mark.parametrize("index", [None, 0])
def test_a_parameter_left_elsewhere_is_an_error(index):
    """What a spill looks like from here: weights on the meta device, or on the CPU instead of a GPU."""
    model = build_tiny_model()
    (model if index is None else model.score).to("meta")
    placement = Placement("fp32", "", (Device(index, "the device", GIB),), "")
    with pytest.raises(LoadError, match=r"belongs on the device, but was left: .* on (meta|cpu), .* and \d+ more"):
        _check_placed(model, placement)


def test_a_model_where_it_belongs_passes():
    _check_placed(build_tiny_model(), Placement("fp32", "", (Device(None, "cpu", GIB),), ""))


def test_what_is_left_on_the_meta_device_is_no_model_to_serve(monkeypatch):
    """The check of where everything lies is part of loading."""
    monkeypatch.setattr(
        INFORMForSequenceClassification, "from_pretrained", lambda *_, **__: build_tiny_model().to("meta")
    )
    with pytest.raises(LoadError, match="belongs on cpu, but was left"):
        load_model(ModelConfig())


def test_phases_are_told_in_order_and_bytes_while_weights_load(monkeypatch):
    real = INFORMForSequenceClassification.from_pretrained
    told = []

    class Recorder(ProgressTracker):
        def begin(self, phase, *sizes):
            told.append((phase, 0))
            super().begin(phase, *sizes)

        def advance_to(self, n_bytes):
            super().advance_to(n_bytes)
            told.append((self.now().phase, self.now().bytes_done))

    def slowly(*args, **kwargs):
        model = real(*args, **kwargs)
        time.sleep(1.2)
        return model

    monkeypatch.setattr(INFORMForSequenceClassification, "from_pretrained", slowly)
    load_verified_scorer(ModelConfig(), 0.05, Recorder())
    assert [phase for phase, _ in groupby(phase for phase, _ in told)] == ["checking", "loading", "warming_up"]
    assert max(n_bytes for phase, n_bytes in told if phase == "loading") > 0


def test_out_of_memory_while_loading_is_a_load_error(monkeypatch):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(INFORMForSequenceClassification, "from_pretrained", fail)
    with pytest.raises(LoadError, match="out of memory while loading"):
        load_model(ModelConfig())
