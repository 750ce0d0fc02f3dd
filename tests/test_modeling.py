"""The model against an oracle written with nothing but `LlamaModel` and plain tensor operations."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaModel

from inform_demo.errors import CheckpointError
from inform_demo.modeling import INFORMForSequenceClassification, last_text_index
from tests.conftest import VOCABULARY, build_tiny_model, tiny_config


def oracle_reward(weights, config, ids):
    """The model card's formula for one unpadded sequence: head(last hidden state), from a checkpoint's tensors."""
    backbone = LlamaModel(config).eval()
    backbone.load_state_dict({k.removeprefix("model."): v for k, v in weights.items() if k.startswith("model.")})
    with torch.no_grad():
        hidden = backbone(input_ids=torch.tensor([ids]), use_cache=False).last_hidden_state[0, -1]
    inner = torch.relu(weights["score.0.weight"] @ hidden + weights["score.0.bias"])
    return float(weights["score.2.weight"] @ inner + weights["score.2.bias"])


@pytest.fixture(scope="module")
def sequences():
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(3, VOCABULARY, (n,), generator=generator).tolist() for n in (7, 12, 3)]


def pad(sequences, side, pad_id):
    width = max(map(len, sequences))
    ids, mask = [], []
    for sequence in sequences:
        filler, blank = [pad_id] * (width - len(sequence)), [0] * (width - len(sequence))
        ids.append(filler + sequence if side == "left" else sequence + filler)
        mask.append(blank + [1] * len(sequence) if side == "left" else [1] * len(sequence) + blank)
    return torch.tensor(ids), torch.tensor(mask)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("pad_id", [2, None])
def test_padded_batch_equals_oracle(plain_model, sequences, side, pad_id, monkeypatch):
    monkeypatch.setattr(plain_model.config, "pad_token_id", pad_id)
    ids, mask = pad(sequences, side, 2)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    rewards = plain_model(input_ids=ids, attention_mask=mask, position_ids=positions).logits[:, 0]
    expected = [oracle_reward(plain_model.state_dict(), tiny_config(), sequence) for sequence in sequences]
    assert rewards.tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_pad_id_that_also_ends_turns_is_still_text(plain_model, side):
    """The card's code pools before the first pad id, so it would read these rewards in the middle of the text."""
    sequences = [[5, 2, 9, 8, 2], [7, 2, 2]]
    ids, mask = pad(sequences, side, 2)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    rewards = plain_model(input_ids=ids, attention_mask=mask, position_ids=positions).logits[:, 0]
    expected = [oracle_reward(plain_model.state_dict(), tiny_config(), sequence) for sequence in sequences]
    assert rewards.tolist() == pytest.approx(expected, abs=1e-5)


def test_without_mask_every_token_is_text(plain_model, sequences):
    rewards = plain_model(input_ids=torch.tensor([sequences[0]])).logits
    assert rewards.shape == (1, 1)
    assert rewards.item() == pytest.approx(
        oracle_reward(plain_model.state_dict(), tiny_config(), sequences[0]), abs=1e-5
    )


def test_pool_index_chooses_the_token(plain_model, sequences):
    """Causal attention: the reward at token i is that of the conversation cut after i."""
    ids = sequences[1]
    at_fourth = plain_model(input_ids=torch.tensor([ids]), pool_index=torch.tensor([4])).logits.item()
    assert at_fourth == pytest.approx(oracle_reward(plain_model.state_dict(), tiny_config(), ids[:5]), abs=1e-5)


def test_last_text_index_with_gaps_takes_the_last_one():
    mask = torch.tensor([[0, 1, 0, 1, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]])
    assert last_text_index(mask, torch.zeros(3, 5, 1)).tolist() == [3, 4, 0]


@pytest.fixture
def checkpoint(tmp_path, tree_model):
    tree_model.save_pretrained(tmp_path)
    return tmp_path


def rewrite(checkpoint, change):
    file = checkpoint / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, metadata={"format": "pt"})


def test_published_keys_load_as_they_are(checkpoint):
    """The four names the published checkpoint has for its head, and `model.` before the backbone's."""
    keys = set(load_file(checkpoint / "model.safetensors"))
    assert {key for key in keys if not key.startswith("model.")} == {
        "score.0.weight", "score.0.bias", "score.2.weight", "score.2.bias",
    }  # fmt: skip
    assert json.loads((checkpoint / "config.json").read_text())["architectures"] == ["INFORMForSequenceClassification"]
    loaded = INFORMForSequenceClassification.from_pretrained(checkpoint)
    for name, tensor in load_file(checkpoint / "model.safetensors").items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


@pytest.mark.parametrize(
    "name", ["score.0.weight", "score.0.bias", "score.2.weight", "score.2.bias", "model.norm.weight"]
)
def test_missing_weight_is_refused_by_name(checkpoint, name):
    rewrite(checkpoint, lambda tensors: tensors.pop(name))
    with pytest.raises(CheckpointError, match=f"missing weights: {name}"):
        INFORMForSequenceClassification.from_pretrained(checkpoint)


def test_head_of_another_shape_is_refused_with_both_shapes(checkpoint):
    rewrite(checkpoint, lambda tensors: tensors.update({"score.2.weight": torch.zeros(2, 32)}))
    with pytest.raises(CheckpointError, match=r"score\.2\.weight \(expected \(1, 32\), got \(2, 32\)\)"):
        INFORMForSequenceClassification.from_pretrained(checkpoint)


def test_single_layer_head_is_refused_by_name(checkpoint):
    def make_plain_head(tensors):
        for name in [name for name in tensors if name.startswith("score.")]:
            del tensors[name]
        tensors["score.weight"] = torch.zeros(1, 32)

    rewrite(checkpoint, make_plain_head)
    with pytest.raises(CheckpointError, match=r"missing weights: score\.0\.bias.*unexpected weights: score\.weight"):
        INFORMForSequenceClassification.from_pretrained(checkpoint)


def test_layers_the_config_does_not_know_are_refused(checkpoint):
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
    with pytest.raises(CheckpointError, match=r"unexpected weights: model\.layers\.2"):
        INFORMForSequenceClassification.from_pretrained(checkpoint)


def test_head_stays_in_float32_when_the_backbone_is_bf16(checkpoint):
    model = INFORMForSequenceClassification.from_pretrained(checkpoint, dtype=torch.bfloat16)
    assert model.model.norm.weight.dtype == torch.bfloat16
    assert {parameter.dtype for parameter in model.score.parameters()} == {torch.float32}
    assert model(input_ids=torch.tensor([[3, 4]])).logits.dtype == torch.float32


def test_num_labels_of_the_config_does_not_change_the_head():
    assert build_tiny_model(num_labels=5).score[2].out_features == 1


def test_loading_info_is_still_returned_when_asked_for(checkpoint):
    model, info = INFORMForSequenceClassification.from_pretrained(checkpoint, output_loading_info=True)
    assert isinstance(model, INFORMForSequenceClassification)
    assert not info["missing_keys"]
