"""Everything that can go wrong for a user, as a tree of types.

Each message says what was expected, what came and, where there is one, the way out. Errors become text at two borders
only: the page (`inform_demo.ui`) and the command line (`inform_demo.cli`). This module knows nothing of models or
pages.

    InformError
    +-- InputError                what the user gave
    |   +-- EmptyTextError            a prompt, an answer or a turn without text
    |   +-- InvalidTextError          text that is no valid Unicode
    |   +-- RoleOrderError            turns that do not alternate as a chat does
    |   +-- ConversationTooLongError  more tokens than the limit; carries both numbers
    |   +-- ChatTemplateError         the checkpoint's chat template refused the turns
    |   +-- DataError                 a data file with a bad row; carries file and line
    +-- ConfigError               a setting that is not possible
    +-- LoadError                 a checkpoint that cannot be served
    |   +-- MissingDependencyError    an optional package is absent; carries the pip line
    |   +-- CheckpointError           broken, incomplete, foreign or not found
    |   +-- NotEnoughMemoryError      needs more bytes than there are; carries both numbers
    |   +-- NotEnoughDiskError        the same of a disk
    |   +-- DownloadError             broken off; what is there is kept
    +-- ScoringError              a failure while answering
        +-- ModelNotReadyError        still loading, or failed to load
        +-- OutOfMemoryError          the forward pass did not fit
        |   +-- NoRoomError               it would not have fit, and was not begun; carries the numbers
        +-- ScoringTimeoutError       the forward pass took longer than it may; carries both times
        +-- ModelStuckError           an earlier pass still has not come back
        +-- NonFiniteRewardError      the model gave NaN or infinity
        +-- VerificationError         the model gives other rewards than are known for it
"""

from __future__ import annotations


class InformError(Exception):
    """Root of the tree: `except InformError` catches every fault that has a message for the user."""


class InputError(InformError):
    """What the user gave cannot be scored."""


class EmptyTextError(InputError):
    """A prompt, an answer or a turn is empty or only white space."""


class InvalidTextError(InputError):
    """The text is not valid Unicode, such as half of a surrogate pair."""


class RoleOrderError(InputError):
    """The turns are not: an optional system turn, then user and assistant in alternation, the assistant last."""


class ConversationTooLongError(InputError):
    """A conversation has more tokens than may be scored. Nothing is ever truncated instead.

    Attributes:
        place: of the conversation among those that were scored together, from 0; whoever has several sets it.
    """

    place: int | None = None

    def __init__(self, n_tokens: int, max_tokens: int, what: str = "The conversation") -> None:
        self.n_tokens = n_tokens
        self.max_tokens = max_tokens
        self.what = what
        super().__init__(
            f"{what} has {n_tokens:,} tokens; the limit is {max_tokens:,}. "
            f"Shorten it by {n_tokens - max_tokens:,} tokens: nothing is cut off silently."
        )


class ChatTemplateError(InputError):
    """The checkpoint's own chat template raised on this conversation."""


class DataError(InputError):
    """A row of a data file cannot be used."""

    def __init__(self, message: str, path: str, line: int | None = None) -> None:
        self.reason = message
        self.path = path
        self.line = line
        where = path if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {message.rstrip('.')}.")


class ConfigError(InformError):
    """A setting has a value that is not possible."""


class LoadError(InformError):
    """The checkpoint cannot be loaded as asked."""


class MissingDependencyError(LoadError):
    """An optional package is needed for what was asked."""

    def __init__(self, package: str, purpose: str, install: str) -> None:
        self.package = package
        self.install = install
        super().__init__(f"{purpose} needs the package {package}, which is not installed. Run: {install}")


class CheckpointError(LoadError):
    """The checkpoint is not found, broken, incomplete or of another architecture."""


class NotEnoughMemoryError(LoadError):
    """The weights do not fit in the memory there is."""

    def __init__(self, needed_bytes: int, available_bytes: int, where: str, way_out: str) -> None:
        self.needed_bytes = needed_bytes
        self.available_bytes = available_bytes
        super().__init__(
            f"The model needs {needed_bytes / 2**30:,.1f} GiB on {where}, "
            f"where {available_bytes / 2**30:,.1f} GiB are free. {way_out}"
        )


class NotEnoughDiskError(LoadError):
    """The files do not fit on the disk they go to."""

    def __init__(self, needed_bytes: int, available_bytes: int, what: str, way_out: str) -> None:
        self.needed_bytes = needed_bytes
        self.available_bytes = available_bytes
        super().__init__(
            f"{what} needs {needed_bytes / 1e9:,.2f} GB of disk ({needed_bytes:,} bytes), "
            f"where {available_bytes / 1e9:,.2f} GB are free. {way_out}"
        )


class DownloadError(LoadError):
    """A download was broken off; the files that are complete are kept."""


class ScoringError(InformError):
    """A failure while scoring; the scorer goes on to serve the next request."""


class ModelNotReadyError(ScoringError):
    """The model is still loading, or its loading failed."""


class OutOfMemoryError(ScoringError):
    """The forward pass needed more memory than there is."""


class NoRoomError(OutOfMemoryError):
    """A conversation needs more working memory than is free, so its forward pass was not begun."""

    def __init__(self, n_tokens: int, needed_bytes: int, free_bytes: int, fitting_tokens: int) -> None:
        self.n_tokens = n_tokens
        self.needed_bytes = needed_bytes
        self.free_bytes = free_bytes
        self.fitting_tokens = fitting_tokens
        super().__init__(
            f"A conversation of {n_tokens:,} tokens needs {needed_bytes / 2**20:,.0f} MiB to be scored, where "
            f"{free_bytes / 2**20:,.0f} MiB are free. About {fitting_tokens:,} tokens would fit: shorten the texts."
        )


class ScoringTimeoutError(ScoringError):
    """A forward pass took longer than it may; nobody waits for it any longer."""

    def __init__(self, n_tokens: int, allowed_s: float) -> None:
        self.n_tokens = n_tokens
        self.allowed_s = allowed_s
        super().__init__(
            f"Scoring {n_tokens:,} tokens took longer than the {allowed_s:,.0f} s that it may take, and was given up. "
            "Try again; if it happens again, the model or its device needs a restart."
        )


class ModelStuckError(ScoringError):
    """The model still computes a pass that was given up; it serves again when that comes back."""

    def __init__(self, stuck_s: float) -> None:
        self.stuck_s = stuck_s
        super().__init__(
            f"The model is stuck: a pass that began {stuck_s:,.0f} s ago has not come back. "
            "It answers again when that pass ends; if it does not, the server needs a restart."
        )


class NonFiniteRewardError(ScoringError):
    """The model answered NaN or infinity, which is no reward."""


class VerificationError(ScoringError):
    """A known example has other rewards than the model that it was loaded as."""
