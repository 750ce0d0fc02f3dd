"""Placement is arithmetic: the published 70B geometry without bytes, against sums written out by hand."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from inform_demo.checkpoint import PUBLISHED_70B
from inform_demo.errors import NotEnoughMemoryError
from inform_demo.footprint import Footprint, measure
from inform_demo.modeling import INFORMForSequenceClassification
from inform_demo.placement import (
    CARD_SIZES,
    GIB,
    GPU_RESERVE_BYTES,
    Device,
    count_cards,
    find_devices,
    resolve_device_map,
    resolve_placement,
    sold_card,
)
from tests.conftest import build_tiny_model, tiny_config

N_LAYERS = 80
CPU = Device(None, "cpu", 400 * GIB)

# Cards that INF-ORM-70B needs for comparisons of two conversations of 8,192 tokens each; columns are CARD_SIZES.
# A table worked out from about 4 GiB of working room had less where cards are small (bf16: 10 at 16 GB, 6 at 24, 5 at
# 32; int8: 5 at 16; nf4: 3 at 16). Whole layers, and the room that 16,384 tokens really take, need these.
CARDS = {
    "bf16": (12, 7, 6, 4, 4, 2, 2, 1, 1),
    "int8": (7, 4, 3, 2, 2, 1, 1, 1, 1),
    "nf4": (4, 2, 2, 2, 1, 1, 1, 1, 1),
}


@pytest.fixture(scope="module")
def skeleton():
    """INF-ORM-Llama3.1-70B without bytes."""
    with torch.device("meta"):
        return INFORMForSequenceClassification(tiny_config(**PUBLISHED_70B, pad_token_id=None))


@pytest.fixture(scope="module")
def footprints(skeleton):
    return measure(skeleton, 8192)


def gpus(*sizes):
    return [Device(i, f"gpu {i}", size * GIB) for i, size in enumerate(sizes)]


def bytes_by_hand(precision):
    """Embeddings, one layer, head of the 70B model, from its geometry alone."""
    hidden, wide, kv, vocabulary = 8192, 28_672, 1024, 128_256
    matrices = [(hidden, hidden), (kv, hidden), (kv, hidden), (hidden, hidden)]
    matrices += [(wide, hidden), (wide, hidden), (hidden, wide)]
    n = sum(rows * columns for rows, columns in matrices)
    scales = {"bf16": 0, "int8": 4 * sum(rows for rows, _ in matrices), "nf4": n / 64 + n / 4096}[precision]
    each = {"bf16": 2, "int8": 1, "nf4": 0.5}[precision] * n + scales
    return 2 * vocabulary * hidden, each + 2 * 2 * hidden, 4 * (hidden * hidden + hidden + hidden + 1) + 2 * hidden


def fits_by_hand(precision, n_cards, size):
    """Whether whole layers go on so many cards: the first has the embeddings as well, the last the head."""
    n_tokens = 2 * 8192
    wide = {"bf16": 6, "int8": 8, "nf4": 6}[precision] * 28_672
    work = n_tokens * (wide + 8 * 8192) + (2 * 8192 * 28_672 if precision == "nf4" else 0)
    room = size * GIB * 0.99 - GIB - work
    embeddings, layer, head = bytes_by_hand(precision)
    if n_cards == 1:
        return embeddings + N_LAYERS * layer + head <= room
    first, last, between = ((room - taken) // layer for taken in (embeddings, head, 0))
    return room > embeddings and first + last + (n_cards - 2) * between >= N_LAYERS


def test_the_published_model_has_its_published_size(skeleton, footprints):
    assert sum(parameter.numel() for parameter in skeleton.parameters()) == pytest.approx(69.57e9, rel=1e-3)
    assert footprints["bf16"].weight_bytes / 2**20 == pytest.approx(132_695, rel=2e-3)
    assert footprints["int8"].weight_bytes / 2**20 == pytest.approx(67_440, rel=1e-2)
    assert 35_000 < footprints["nf4"].weight_bytes / 2**20 < 38_900


@pytest.mark.parametrize("precision", CARDS)
@pytest.mark.parametrize("size", CARD_SIZES)
def test_the_cards_that_the_published_model_needs(footprints, precision, size):
    needed = CARDS[precision][CARD_SIZES.index(size)]
    assert count_cards(footprints[precision], size) == needed
    assert fits_by_hand(precision, needed, size)
    assert needed == 1 or not fits_by_hand(precision, needed - 1, size)


@pytest.mark.parametrize("precision", CARDS)
@pytest.mark.parametrize("size", CARD_SIZES)
def test_every_card_holds_whole_layers_within_its_limit(skeleton, footprints, precision, size):
    needed, footprint = CARDS[precision][CARD_SIZES.index(size)], footprints[precision]
    cards = [sold_card(i, size) for i in range(needed + 1)]
    device_map = resolve_device_map(footprint, cards)
    if needed == 1:
        assert device_map == {"": 0}
        return
    assert set(device_map.values()) == set(range(needed))
    assert "cpu" not in device_map.values()
    # Every parameter is under exactly one name of the map, and the names follow the forward.
    for name, _ in skeleton.named_parameters():
        assert sum(name.startswith(f"{block}.") for block in device_map) == 1, name
    layers = [device_map[f"model.layers.{i}"] for i in range(N_LAYERS)]
    assert layers == sorted(layers)
    taken = [sum(footprint.blocks[name] for name, i in device_map.items() if i == card) for card in range(needed)]
    room = cards[0].room_bytes(footprint.working_bytes)
    assert max(taken) <= room
    # Balanced: only whole layers, and the last card, which gets what is left, keep the loads apart.
    largest = footprint.blocks["model.layers.0"]
    assert max(taken) - min(taken[:-1]) <= largest + footprint.blocks["model.embed_tokens"]


def test_cards_of_several_kinds_share_by_their_room(footprints):
    footprint = footprints["bf16"]
    device_map = resolve_device_map(footprint, [sold_card(0, 80), sold_card(1, 48), sold_card(2, 48)])
    loads = [list(device_map.values()).count(i) for i in range(3)]
    assert loads[0] > 1.5 * loads[1]
    assert min(loads) > 10


def test_the_fewest_and_largest_of_many_cards_are_taken(footprints):
    assert resolve_device_map(footprints["int8"], gpus(24, 80, 24)) == {"": 1}
    device_map = resolve_device_map(footprints["bf16"], gpus(24, 80, 24, 80))
    assert set(device_map.values()) == {1, 3}


@pytest.mark.parametrize(
    ("devices", "precision", "n_devices"),
    [
        (gpus(141), "bf16", 1),
        (gpus(80, 80), "bf16", 2),
        (gpus(80), "int8", 1),
        (gpus(40, 40), "int8", 2),
        (gpus(48), "nf4", 1),
        ([CPU], "bf16", 1),
    ],
)
def test_auto_takes_the_most_exact_that_fits(footprints, devices, precision, n_devices):
    placement = resolve_placement(footprints, "auto", devices)
    assert (placement.precision, len(placement.devices)) == (precision, n_devices)
    assert all(len(reason) > 7 for reason in (placement.precision_reason, placement.reason))
    assert set(placement.device_map.values()) == {"cpu" if d.index is None else d.index for d in placement.devices}


def test_auto_on_a_cpu_without_bf16_takes_fp32(footprints):
    assert resolve_placement(footprints, "auto", [CPU], fast_bf16=False).precision == "fp32"


def test_what_is_stored_quantised_is_what_auto_takes(footprints):
    placement = resolve_placement(footprints, "auto", gpus(180), stored="int8")
    assert (placement.precision, placement.precision_reason) == ("int8", "the checkpoint is stored in it")


def test_nothing_fits_and_the_error_says_which_cards_would_do(footprints):
    with pytest.raises(NotEnoughMemoryError, match=r"on gpu 0, where 24\.0 GiB are free") as raised:
        resolve_placement(footprints, "auto", gpus(24))
    for words in ("bf16 on 1 x 141 GB or 2 x 80 GB", "int8 on 1 x 80 GB or 2 x 40 GB", "nf4 on 1 x 48 GB or 2 x 24 GB"):
        assert words in str(raised.value)


def test_asking_for_too_much_names_what_would_fit(footprints):
    with pytest.raises(NotEnoughMemoryError, match="Would fit here: --precision int8 or nf4"):
        resolve_placement(footprints, "bf16", gpus(80))


def test_a_spread_that_would_spill_is_refused(footprints):
    """Together there is room for the bytes, but not for whole layers on each."""
    footprint = footprints["bf16"]
    kept = GPU_RESERVE_BYTES + footprint.working_bytes
    tight = [Device(i, f"gpu {i}", footprint.weight_bytes // 5 + kept + 1) for i in range(5)]
    with pytest.raises(NotEnoughMemoryError, match="Whole layers do not divide evenly"):
        resolve_placement(footprints, "bf16", tight)


def test_a_longer_limit_needs_more_room_beside_the_weights(skeleton, footprints):
    longer, shorter = measure(skeleton, 65_536)["int8"], measure(skeleton, 1024)["int8"]
    assert shorter.working_bytes < footprints["int8"].working_bytes < longer.working_bytes
    assert resolve_device_map(longer, gpus(80)) is None
    assert resolve_device_map(shorter, gpus(80)) == {"": 0}


def test_a_block_that_fits_nowhere_is_no_endless_search():
    assert resolve_device_map(Footprint({"a": 50 * GIB, "b": 50 * GIB}, 0), gpus(40, 40, 40)) is None


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of every tensor made while it is active, until it is gone, and not the model's weights."""

    def __init__(self, model):
        super().__init__()
        self.now = self.most = 0
        self.seen = {parameter.untyped_storage()._cdata for parameter in model.parameters()}

    def _gone(self, key, n_bytes):
        self.seen.discard(key)
        self.now -= n_bytes

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage._cdata not in self.seen:
                    self.seen.add(storage._cdata)
                    self.now += storage.nbytes()
                    weakref.finalize(storage, self._gone, storage._cdata, storage.nbytes())
        self.most = max(self.most, self.now)
        return out


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_the_working_room_is_what_a_forward_takes(precision, dtype):
    """The 70B model's proportions in small: the intermediate width is three and a half times the hidden one."""
    shape = {"hidden_size": 128, "intermediate_size": 448, "num_hidden_layers": 2, "max_position_embeddings": 4096}
    model = build_tiny_model(dtype, "sdpa", **shape)
    ids = torch.randint(97, (1, 2 * 1024))
    with torch.no_grad(), LiveBytes(model) as live:
        model(input_ids=ids, trace=True)
    promised = measure(model, 1024)[precision].working_bytes
    assert 0.9 * promised < live.most < 1.05 * promised


def test_this_machine_has_a_device_with_room():
    assert all(device.room_bytes(0) > 0 for device in find_devices())
