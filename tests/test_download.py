"""A download tells how far it is; killed, cut short or without room it ends in words, and the next try goes on."""

from __future__ import annotations

import errno
import json
import logging
import shutil
import time
from functools import partial
from typing import NamedTuple

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import close_session

from inform_demo import download
from inform_demo.config import EMBEDDED_MODEL, ModelConfig
from inform_demo.download import fetch
from inform_demo.errors import CheckpointError, ModelNotReadyError, NotEnoughDiskError, NotEnoughMemoryError
from inform_demo.loading import load_model
from inform_demo.placement import Device
from inform_demo.progress import ProgressTracker
from inform_demo.slot import ScorerSlot
from inform_demo.ui import handlers
from inform_demo.verification import load_verified_scorer
from tests.hub_server import COMMIT, Hub

CONFIG = ModelConfig(model="owner/model")
LAST_SHARD = "model-00002-of-00002.safetensors"
TEXTS = ("What is 2 + 2?", "4", "5")


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The embedded checkpoint on a hub of this machine's own, and an empty cache."""
    folder = tmp_path / "on-the-hub"
    names = [*EMBEDDED_MODEL.glob("*.safetensors*"), *EMBEDDED_MODEL.glob("*config.json")]
    folder.mkdir()
    for file in (*names, EMBEDDED_MODEL / "tokenizer.json", EMBEDDED_MODEL / "chat_template.jinja"):
        shutil.copy(file, folder)
    (folder / "pytorch_model.bin").write_bytes(b"never fetched")
    hub = Hub(folder)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    close_session()  # or the client of another test, which is offline, would go on being used
    yield hub
    hub.go_on.set()
    hub.close()
    close_session()


def wait_until(condition, timeout_s=60.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_a_hub_id_is_fetched_once_and_scores_as_the_folder_does(hub, embedded_scorer):
    scorer = load_verified_scorer(CONFIG, 0.05)
    assert (scorer.report.model, scorer.report.revision) == ("owner/model", COMMIT)
    assert scorer.compare(*TEXTS).margin == embedded_scorer.compare(*TEXTS).margin
    assert {"pytorch_model.bin"} == {file.name for file in hub.folder.iterdir()} - set(hub.served)
    n_served = len(hub.served)
    load_model(CONFIG)
    assert len(hub.served) == n_served


def test_progress_is_told_in_bytes_while_it_downloads(hub):
    hub.go_on.clear()
    tracker = ProgressTracker()
    slot = ScorerSlot(partial(load_verified_scorer, CONFIG, 0.05, tracker), tracker.now)
    assert hub.in_the_middle.wait(60)
    wait_until(lambda: slot.status().progress.bytes_done > 0)
    status = handlers.model_status(slot, "model")
    assert status.state == "loading"
    assert status.progress.phase == "downloading"
    total = sum(
        file.stat().st_size for file in hub.folder.iterdir() if file.suffix in {".json", ".jinja", ".safetensors"}
    )
    assert status.progress.bytes_total == total
    assert 0 < status.progress.bytes_done < total
    assert status.progress.eta_s > 0
    hub.go_on.set()
    slot.get(120)
    assert slot.status().progress is None


def test_a_killed_download_is_told_and_a_retry_goes_on_from_it(hub):
    hub.dies_in = LAST_SHARD
    slot = ScorerSlot(partial(load_verified_scorer, CONFIG, 0.05))
    with pytest.raises(ModelNotReadyError, match=r"download of owner/model broke off after \d\.\d+ of \d\.\d+ GB"):
        slot.get(120)
    before = list(hub.served)
    assert "tokenizer.json" in before
    hub.revive()
    slot.retry()
    assert slot.get(120).compare(*TEXTS).n_tokens_a > 0
    assert LAST_SHARD in hub.served[len(before) :]
    assert "tokenizer.json" not in hub.served[len(before) :]


def test_a_hub_that_does_not_answer_is_no_loss_where_all_is_here(hub, caplog):
    fetch(CONFIG, ProgressTracker())
    hub.is_dead = True
    caplog.set_level(logging.WARNING)
    _, _, report = load_model(CONFIG)
    assert report.revision == COMMIT
    assert "is taken as it is in the cache" in caplog.text


def test_a_repository_that_is_not_there(hub):
    with pytest.raises(CheckpointError, match=r"nobody/nothing is not on this machine, and the hub does not give it"):
        fetch(ModelConfig(model="nobody/nothing"), ProgressTracker())


def test_a_disk_without_room_is_told_before_anything_is_downloaded(hub, monkeypatch):
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: Usage(10**12, 10**12, 1_000_000))
    with pytest.raises(
        NotEnoughDiskError, match=r"owner/model needs 0\.06 GB of disk \([\d,]+ bytes\).*HF_HOME"
    ) as raised:
        fetch(CONFIG, ProgressTracker())
    assert raised.value.available_bytes == 1_000_000
    assert raised.value.needed_bytes > 50_000_000
    assert not any(name.endswith(".safetensors") for name in hub.served)


def test_too_little_memory_is_told_before_anything_is_downloaded(hub, monkeypatch):
    monkeypatch.setattr("inform_demo.loading.find_devices", lambda: [Device(None, "cpu", 2**20)])
    with pytest.raises(NotEnoughMemoryError):
        load_model(CONFIG)
    assert not any(name.endswith(".safetensors") for name in hub.served)


def test_a_disk_that_fills_up_is_told_with_bytes_and_the_next_request_works(hub, monkeypatch):
    """Not at the check before, but while a weight file is being written."""
    from huggingface_hub import file_download

    real = file_download.http_get
    n_left = [1]

    def fill_up(url, temp_file, **options):
        if LAST_SHARD in url and n_left and n_left.pop():
            temp_file.write(b"x" * 1000)
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(url, temp_file, **options)

    monkeypatch.setattr(file_download, "http_get", fill_up)
    slot = ScorerSlot(partial(load_verified_scorer, CONFIG, 0.05))
    with pytest.raises(ModelNotReadyError, match=r"The rest of owner/model needs 0\.\d+ GB of disk \([\d,]+ bytes\)"):
        slot.get(120)
    slot.retry()
    assert slot.get(120).compare(*TEXTS).n_tokens_a > 0


def test_a_shard_cut_short_in_the_cache_is_named_and_fetched_again(hub):
    folder = fetch(CONFIG, ProgressTracker())
    shard = (folder / LAST_SHARD).resolve()
    shard.write_bytes(shard.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=f"owner/model: .*{LAST_SHARD} is cut short.*removed.*try again"):
        fetch(CONFIG, ProgressTracker())
    hub.served.clear()
    fetch(CONFIG, ProgressTracker())
    assert hub.served == [LAST_SHARD]
    assert shard.stat().st_size == (hub.folder / LAST_SHARD).stat().st_size


@pytest.mark.parametrize("form", ["{file}", "../../../../../../..{file}"])
def test_an_index_that_names_files_elsewhere_costs_nobody_a_file(hub, tmp_path, form):
    """What cannot be read is removed from the cache; a stranger's checkpoint must not say what that is."""
    thesis = tmp_path / "thesis.safetensors"
    thesis.write_text("years of work")
    hub.folder = shutil.copytree(hub.folder, tmp_path / "theirs")
    index = hub.folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": form.format(file=thesis)}}))
    with pytest.raises(CheckpointError, match=r"must name \.safetensors files of its own folder"):
        fetch(CONFIG, ProgressTracker())
    assert thesis.read_text() == "years of work"


@pytest.mark.parametrize(
    "weight_map", [None, {"a": 1}, {"a": "weights.bin"}, {"a": "..\\\\x.safetensors"}, {"a": [1]}], ids=str
)
def test_an_index_that_names_no_weight_files_is_told(tmp_path, weight_map):
    folder = shutil.copytree(EMBEDDED_MODEL, tmp_path / "model")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(CheckpointError, match=r"model\.safetensors\.index\.json"):
        load_model(ModelConfig(model=str(folder)))


def test_a_shard_cut_short_in_a_folder_is_named_with_both_lengths(tmp_path):
    folder = shutil.copytree(EMBEDDED_MODEL, tmp_path / "model")
    shard = folder / LAST_SHARD
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1000])
    slot = ScorerSlot(partial(load_verified_scorer, ModelConfig(model=str(folder)), 0.05))
    promised, found = f"{len(whole):,}", f"{len(whole) - 1000:,}"
    with pytest.raises(
        ModelNotReadyError, match=f"{LAST_SHARD} is cut short.*promises {promised} bytes, it has {found}"
    ):
        slot.get(60)
    shard.write_bytes(whole)
    slot.retry()
    assert slot.get(60).compare(*TEXTS).n_tokens_a > 0


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x10" + bytes(7) + b"no JSON at all !"])
def test_what_is_no_weight_file_is_named(tmp_path, content):
    folder = shutil.copytree(EMBEDDED_MODEL, tmp_path / "model")
    (folder / LAST_SHARD).write_bytes(content)
    with pytest.raises(CheckpointError, match=LAST_SHARD):
        load_model(ModelConfig(model=str(folder)))


def test_an_index_that_is_no_json_is_named(tmp_path):
    folder = shutil.copytree(EMBEDDED_MODEL, tmp_path / "model")
    (folder / "model.safetensors.index.json").write_text(json.dumps([]))
    with pytest.raises(CheckpointError, match=r"model\.safetensors\.index\.json"):
        load_model(ModelConfig(model=str(folder)))
