"""A quantised copy keeps its head, loads in the precision it is stored in and no other, and gives the same rewards."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import SafetensorError, safe_open

from inform_demo.cli import main
from inform_demo.config import EMBEDDED_MODEL, ModelConfig
from inform_demo.errors import CheckpointError, ConfigError, NotEnoughDiskError
from inform_demo.footprint import measure
from inform_demo.loading import load_model
from inform_demo.modeling import INFORMForSequenceClassification
from inform_demo.quantizing import quantize
from inform_demo.scoring import RewardScorer
from inform_demo.verification import RECORD, verify

TEXTS = ("What is 2 + 2?", "2 + 2 = 4.", "Bananas.")


@pytest.fixture(scope="module", params=["int8", "nf4"])
def copied(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("copies") / request.param
    assert main(["quantize", str(EMBEDDED_MODEL), str(folder), "--precision", request.param]) == 0
    return request.param, folder


def test_a_copy_is_what_quantising_at_loading_gives(copied):
    precision, folder = copied
    config = ModelConfig(model=str(folder))
    scorer = RewardScorer.load(config)
    assert (scorer.report.precision, scorer.report.precision_reason) == (precision, "the checkpoint is stored in it")
    assert {parameter.dtype for parameter in scorer._model.score.parameters()} == {torch.float32}
    at_loading = RewardScorer.load(ModelConfig(precision=precision))
    assert scorer.compare(*TEXTS).margin == pytest.approx(at_loading.compare(*TEXTS).margin, abs=1e-6)
    assert verify(scorer, config).passed


def test_the_bytes_on_disk_are_those_of_the_arithmetic(copied):
    precision, folder = copied
    n_bytes = 0
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="pt") as tensors:
            n_bytes += sum(tensors.get_tensor(name).nbytes for name in tensors.keys())  # noqa: SIM118 - no dict
            assert tensors.get_tensor("score.0.weight").dtype == torch.float32
    config = INFORMForSequenceClassification.config_class.from_pretrained(EMBEDDED_MODEL)
    with torch.device("meta"):
        promised = measure(INFORMForSequenceClassification(config), 100)[precision].weight_bytes
    assert n_bytes == pytest.approx(promised, rel=0.005)


def test_another_precision_of_a_copy_is_refused(copied):
    precision, folder = copied
    with pytest.raises(CheckpointError, match=f"is stored in {precision}, from which bf16 cannot be made"):
        load_model(ModelConfig(model=str(folder), precision="bf16"))


def test_no_place_of_this_machine_is_written_down(copied):
    _, folder = copied
    assert str(EMBEDDED_MODEL.parent) not in (folder / "config.json").read_text()
    assert json.loads((folder / RECORD).read_text())["rewards"]


@pytest.mark.parametrize("change", [{"quant_method": "gptq"}, {"load_in_8bit": False}, {"llm_int8_skip_modules": None}])
def test_a_copy_of_another_make_is_refused(tmp_path, change):
    fields = json.loads((EMBEDDED_MODEL / "config.json").read_text())
    stored = {"quant_method": "bitsandbytes", "load_in_8bit": True, "llm_int8_skip_modules": ["score"]}
    fields["quantization_config"] = {**stored, **change}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    with pytest.raises(CheckpointError, match=r"is quantised with|quantised score head"):
        load_model(ModelConfig(model=str(tmp_path)))


def test_what_cannot_be_is_told_before_anything_is_loaded(tmp_path):
    with pytest.raises(ConfigError, match="already exists"):
        quantize(ModelConfig(precision="int8"), tmp_path)
    with pytest.raises(ConfigError, match="must be int8 or nf4"):
        quantize(ModelConfig(precision="bf16"), tmp_path / "new")


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("inform_demo.quantizing.shutil.disk_usage", lambda _: type("Usage", (), {"free": 5}))
    with pytest.raises(NotEnoughDiskError, match=r"where 0\.00 GB are free"):
        quantize(ModelConfig(precision="int8"), tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [OSError, SafetensorError])
def test_a_disk_that_fills_up_while_it_is_written_leaves_nothing_behind(tmp_path, monkeypatch, kind):
    def fill_up(_model, folder):
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"x")
        raise kind("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(INFORMForSequenceClassification, "save_pretrained", fill_up)
    with pytest.raises(NotEnoughDiskError, match="are free"):
        quantize(ModelConfig(precision="int8"), tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
