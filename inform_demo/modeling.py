"""The reward model: a Llama backbone without LM head, and a two-layer score head read at one token a conversation.

Module names, and so checkpoint keys, are those of the published checkpoint: `model.*`, `score.0.weight`,
`score.0.bias`, `score.2.weight`, `score.2.bias`. Knows tensors only: no text, no tokenizer, no device choice.

Shape suffixes: B rows, T tokens a row, N rewards, H hidden size.
Source: the model card of infly/INF-ORM-Llama3.1-70B; each difference from its code is marked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import LlamaConfig, LlamaModel, LlamaPreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from inform_demo.attention import TREE_ATTENTION
from inform_demo.errors import CheckpointError
from inform_demo.packing import Pack

ARCHITECTURE = "INFORMForSequenceClassification"

# Old Llama checkpoints carry this buffer; it is computed from the config and was never trained.
_IGNORABLE_KEY = re.compile(r"rotary_emb\.inv_freq$")


@dataclass
class RewardOutput(SequenceClassifierOutput):
    """transformers' own output, and the head's values at every token where they were asked for."""

    token_rewards: torch.Tensor | None = None


class INFORMForSequenceClassification(LlamaPreTrainedModel):
    """Llama backbone with the score head `Linear(H, H) -> ReLU -> Linear(H, 1)`."""

    # Differs from the model card: the head computes in float32, because bf16 rewards near 5 lie 0.03 apart and two
    # different answers would tie. The head is a thousandth of the weights and reads one row an answer.
    _keep_in_fp32_modules_strict = {"score"}  # noqa: RUF012 - transformers declares the type

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__(config)
        # Differs from the model card: always one output, because a reward is one number whatever num_labels says.
        config.num_labels = 1
        self.model = LlamaModel(config)
        self.score = nn.Sequential(
            nn.Linear(config.hidden_size, config.hidden_size), nn.ReLU(), nn.Linear(config.hidden_size, 1)
        )
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        pool_index: torch.Tensor | None = None,
        pack: Pack | None = None,
        trace: bool = False,
        use_cache: bool = False,
        **kwargs: Any,
    ) -> RewardOutput:
        """Rewards of a pack of prefix trees, or of a plain and possibly padded batch.

        Args:
            input_ids: (B, T) int64, or inputs_embeds (B, T, H).
            attention_mask: (B, T), 1 for text and 0 for padding on either side; without it every token is text.
            pool_index: (B,) int64, the token to read each row's reward at; by default its last token of text.
            pack: stands for all of the above; needs the attention implementation "inform_tree".
            trace: read the head at every token as well.

        Returns:
            An output whose `logits` are the rewards in float32: (B, 1), or of a pack (N, 1) in the order its sequences
            were given. With `trace` its `token_rewards` are the head's float32 output at every token, (B, T).
        """
        if pack is not None:
            self._check_reads_packs()
            input_ids, position_ids, pool_index = pack.input_ids_1T, pack.position_ids_1T, pack.last_index_U
            kwargs["pack"] = pack
        hidden_BTH = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            # Differs from the model card: passed on, and off by default, because scoring generates nothing.
            use_cache=use_cache,
            **kwargs,
        ).last_hidden_state
        if pool_index is None:
            pool_index = last_text_index(attention_mask, hidden_BTH)
        rows = torch.arange(hidden_BTH.shape[0], device=hidden_BTH.device)
        # Differs from the model card: the head reads N rows, not B*T, because only those are rewards.
        hidden_NH = hidden_BTH[rows, pool_index.to(hidden_BTH.device)]
        rewards_N1 = self._read_head(hidden_NH)
        if pack is not None:
            # The head saw the rows in packed order, so that the caller's order cannot move a bit of any reward.
            rewards_N1 = rewards_N1[list(pack.row_of)]
        # A pass of its own: the shape of a product moves its last bits, and a trace must not move a reward.
        token_rewards_BT = self._read_head(hidden_BTH).squeeze(-1) if trace else None
        return RewardOutput(logits=rewards_N1, token_rewards=token_rewards_BT)

    def _read_head(self, hidden: torch.Tensor) -> torch.Tensor:
        """The head's values in its own precision, whatever a training around it multiplies in."""
        head = next(self.score.parameters())
        with torch.autocast(head.device.type, enabled=False):
            rewards: torch.Tensor = self.score(hidden.to(head.device, head.dtype))
        return rewards

    def _check_reads_packs(self) -> None:
        implementation = self.config._attn_implementation  # noqa: SLF001 - the only name transformers has for it
        if implementation != TREE_ATTENTION:
            raise ValueError(
                f"A pack needs the attention implementation {TREE_ATTENTION!r}; this model has "
                f"{implementation!r}, which would mix the pack's sequences without an error."
            )

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """As transformers' own, but a checkpoint that does not fill every weight exactly is refused by name.

        Differs from the model card: transformers fills a missing score head with random numbers and only warns, and a
        score from a random head looks like any other.

        Raises:
            CheckpointError: weights are missing, left over, or of another shape.
        """
        wants_info = kwargs.pop("output_loading_info", False)
        # Mismatched shapes are let through to here, so that all that is wrong is said at once.
        loaded: Any = super().from_pretrained(
            pretrained_model_name_or_path, *args, output_loading_info=True, ignore_mismatched_sizes=True, **kwargs
        )
        model, info = loaded
        problems = _describe_problems(info)
        if problems:
            raise CheckpointError(
                f"{pretrained_model_name_or_path} is not a complete {ARCHITECTURE} checkpoint: {'; '.join(problems)}."
            )
        return (model, info) if wants_info else model


def last_text_index(attention_mask_BT: torch.Tensor | None, hidden_BTH: torch.Tensor) -> torch.Tensor:
    """Index of each row's last token of text, (B,).

    Differs from the model card: it looks for the first pad id, which reads the wrong token where the pad id also ends
    chat turns and refuses batches where there is no pad id. The mask says what is text; token values do not.
    """
    n_rows, n_tokens = hidden_BTH.shape[:2]
    if attention_mask_BT is None:
        return torch.full((n_rows,), n_tokens - 1, device=hidden_BTH.device)
    positions_T = torch.arange(n_tokens, device=attention_mask_BT.device)
    return (positions_T * (attention_mask_BT != 0)).argmax(dim=-1)


def _describe_problems(info: dict[str, Any]) -> list[str]:
    def names(keys: list[str]) -> str:
        return ", ".join(keys[:4]) + (f" and {len(keys) - 4} more" if len(keys) > 4 else "")

    missing = sorted(info["missing_keys"])
    left_over = sorted(key for key in info["unexpected_keys"] if not _IGNORABLE_KEY.search(key))
    mismatched = sorted(
        f"{key} (expected {tuple(expected)}, got {tuple(got)})" for key, got, expected in info["mismatched_keys"]
    )
    problems = []
    if missing:
        problems.append(f"missing weights: {names(missing)}")
    if left_over:
        problems.append(f"unexpected weights: {names(left_over)}")
    if mismatched:
        problems.append(f"weights of another shape: {names(mismatched)}")
    return problems
