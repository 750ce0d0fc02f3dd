"""A checkpoint's files on this machine: in a folder, in the hub's cache, or fetched into it with room and progress.

Only what a checkpoint is loaded from is fetched: weights as .safetensors, configs, tokenizer. Completed files stay when
a download breaks off, so that the next try goes on from them. Knows the hub and the disk; no model.
"""

from __future__ import annotations

import errno
import logging
import shutil
from pathlib import Path
from typing import Any

from inform_demo.checkpoint import broken_weight_files, check_weight_files
from inform_demo.config import ModelConfig
from inform_demo.errors import CheckpointError, DownloadError, LoadError, NotEnoughDiskError
from inform_demo.progress import ProgressTracker

logger = logging.getLogger(__name__)

_WANTED: dict[str, Any] = {"allow_patterns": ["*.json", "*.jinja", "*.safetensors"], "ignore_patterns": ["*/*"]}


def fetch(config: ModelConfig, tracker: ProgressTracker) -> Path:
    """The folder with the checkpoint's files, downloading what is not here yet.

    Raises:
        NotEnoughDiskError: what is missing does not fit; told before anything is downloaded, or when the disk fills up.
        DownloadError: broken off, by the network or the hub.
        CheckpointError: no such repository, no right to it, nothing here and no connection; or a weight file that is
            missing or cut short.
    """
    if Path(config.source).is_dir():
        check_weight_files(Path(config.source), config.source)
        return Path(config.source)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import DryRunError

    try:
        files = snapshot_download(config.source, revision=config.revision, dry_run=True, **_WANTED)
    except DryRunError as error:
        folder = _cached(config, error.__cause__ or error)
    except Exception as error:
        raise CheckpointError(f"{config.source}: the hub refused it: {_first_line(error)}") from error
    else:
        n_bytes = sum(file.file_size or 0 for file in files)
        n_missing = sum(file.file_size or 0 for file in files if file.will_download)
        if n_missing:
            _check_disk(config.source, n_missing)
            logger.info("Downloading %s: %.2f of %.2f GB are missing.", config.source, n_missing / 1e9, n_bytes / 1e9)
        folder = _download(config, tracker, n_missing, n_bytes)
    try:
        check_weight_files(folder, config.source, "It was removed from the hub's cache; try again to fetch it anew.")
    except CheckpointError:
        for name in broken_weight_files(folder):
            # The hub's client would take it for the whole file for ever.
            (folder / name).resolve().unlink(missing_ok=True)
        raise
    return folder


def _cached(config: ModelConfig, why: BaseException) -> Path:
    """The files as they are here already, where the hub does not answer."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(config.source, revision=config.revision, local_files_only=True, **_WANTED))
    except LocalEntryNotFoundError:
        raise CheckpointError(
            f"{config.source} is not on this machine, and the hub does not give it: {_first_line(why)} "
            "Check the name, the connection, and whether the model wants a licence to be accepted and a token."
        ) from why
    logger.warning("The hub does not answer; %s is taken as it is in the cache.", config.source)
    return folder


def _download(config: ModelConfig, tracker: ProgressTracker, n_missing: int, n_bytes: int) -> Path:
    from huggingface_hub import snapshot_download

    if n_missing:
        tracker.begin("downloading", n_bytes, n_bytes - n_missing)
    try:
        bar = _bar_class(tracker, n_bytes - n_missing)
        return Path(snapshot_download(config.source, revision=config.revision, tqdm_class=bar, **_WANTED))
    except Exception as error:
        raise _describe_failure(config.source, error, tracker) from error


def _bar_class(tracker: ProgressTracker, n_first: int) -> type[Any]:
    """What the hub's client takes for a progress bar of its own: draws nothing, and tells the tracker of bytes."""
    from huggingface_hub.utils.tqdm import tqdm

    counts: dict[int, float] = {}

    class Bar(tqdm):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "disable": True})  # type: ignore[no-untyped-call]
            self._counts_bytes = options.get("unit") == "B"

        def update(self, n: float | None = 1) -> None:
            if self._counts_bytes:
                # Bytes received and bytes written are counted by a bar each; which of them moves depends on the hub.
                counts[id(self)] = counts.get(id(self), 0) + (n or 0)
                tracker.advance_to(n_first + int(max(counts.values())))

    return Bar


def _check_disk(source: str, n_missing: int) -> None:
    free = shutil.disk_usage(_cache()).free
    if n_missing > free:
        raise NotEnoughDiskError(n_missing, free, f"Downloading {source}", _DISK_WAY_OUT)


_DISK_WAY_OUT = "Free some, or set HF_HOME to a folder on a larger disk, and try again."


def _cache() -> Path:
    """The hub's cache, or the nearest folder above it that exists already."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE).expanduser().absolute()
    return next(folder for folder in (cache, *cache.parents) if folder.is_dir())


def _describe_failure(source: str, error: Exception, tracker: ProgressTracker) -> LoadError:
    so_far = tracker.now()
    left = so_far.bytes_total - so_far.bytes_done
    cause: BaseException | None = error
    while cause is not None:
        # Of the hub's own transfer library only the text says it.
        if getattr(cause, "errno", None) == errno.ENOSPC or "No space left on device" in str(cause):
            what = f"The rest of {source}"
            return NotEnoughDiskError(left, shutil.disk_usage(_cache()).free, what, _DISK_WAY_OUT)
        cause = cause.__cause__ or cause.__context__
    done, total = so_far.bytes_done / 1e9, so_far.bytes_total / 1e9
    return DownloadError(
        f"The download of {source} broke off after {done:,.2f} of {total:,.2f} GB: {_first_line(error)} "
        "Files that are complete are kept; try again to go on."
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".:") + "."
