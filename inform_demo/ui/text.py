"""Every English sentence and label of the page, in one place for translation.

Knows words only. Sentences with braces are filled by `str.format`; what is filled in is escaped by whoever renders it.
"""

from __future__ import annotations

from inform_demo.config import INFORM_70B

TITLE = "INF-ORM side by side"
SUBTITLE = "Paste a prompt and two answers. A reward model says which answer it prefers, and by how much."

PROMPT = "Prompt"
PROMPT_PLACEHOLDER = "What was asked"
ANSWER_A = "Answer A"
ANSWER_B = "Answer B"
ANSWER_PLACEHOLDER = "Paste an answer"
SYSTEM = "System prompt"
SYSTEM_FOLD = "System prompt (optional)"
SYSTEM_PLACEHOLDER = "Instructions that stood before the conversation"

COMPARE = "Compare"
COMPARE_HINT = "Compare (Ctrl+Enter)"
COMPARING = "Comparing…"
SWAP = "Swap A and B"
CLEAR = "Clear"
EXAMPLES = "Examples"
RETRY = "Try loading again"
PRIVACY = (
    "Your text is sent to this server to be scored and is not stored there. This tab remembers it until you close it."
)

STATUS_LABEL = "Model status"
VERDICT_LABEL = "Verdict"
LOADING = "Loading"
READY = "Ready"
FAILED = "Failed"
EMBEDDED_NAME = "demonstration model"
LOADING_HINT = "You can write meanwhile; a comparison waits for the model."
ELAPSED = "{seconds:.0f} s"
FAILED_TO_LOAD = "The model could not be loaded."

EMPTY_VERDICT = "The verdict appears here."
BUSY_VERDICT = "Waiting for the model’s answer…"
NO_ANSWER = "No answer came back: too many people may be waiting, or the server cannot be reached."
TEXT_KEPT = "Your text is kept."
STALE = "The text has changed since this verdict."
NOT_COMPARED = "Not compared"
UNEXPECTED = "Something went wrong on the server; its log says what. Your text is kept: you can try again."

BELIEF = "The model’s belief that each answer is the better one"
MARGIN = "Margin (A − B)"
REWARDS = "Rewards"
REWARD_IS = (
    "A reward has no unit and no fixed range: only the difference between answers to this one prompt means something. "
    "The percentages are the model’s own belief, not a measured accuracy."
)
WORDS_SUMMARY = "What do these words mean?"
WORDS_INTRO = "The words follow the model’s belief in the answer it prefers:"
WORD_TIE = "Too close to call"
WORD_SLIGHTLY = "slightly better"
WORD_BETTER = "better"
WORD_CLEARLY = "clearly better"
UP_TO = "up to {percent}"
ABOVE = "above {percent}"

EMBEDDED_WARNING = "Small demonstration model: do not rely on its judgement."
EMBEDDED_SWITCH = "To use the real one, start this page with:"
EMBEDDED_COMMAND = f"INFORM_MODEL={INFORM_70B} python app.py"

PUBLISHED = "Published for INF-ORM-70B in bf16 on a GPU"
PUBLISHED_NOTE = "The model card’s own numbers for this example. Another model or precision gives other numbers."

NUMBERS = "Numbers"
TOKENS_A = "Tokens, A"
TOKENS_B = "Tokens, B"
TOKENS_SHARED = "Tokens shared"
TIME = "Time computed"
MODEL = "Model"
PRECISION = "Precision"

EMPTY_FIELD = "{field} is empty: write or paste some text there."
TOO_MANY_CHARACTERS = (
    "{field} has {count:,} characters; the limit is {limit:,}. Shorten it: nothing is cut off silently."
)
IN_FIELD = "{field}: {message}"
NOT_TEXT = "{field} must be text; got {kind}."
