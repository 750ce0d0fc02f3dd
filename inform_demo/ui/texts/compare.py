"""The words of the Compare tab.

Knows words only. What stands in braces is filled by `str.format`, and escaped by whoever renders it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CompareTexts:
    """One language's words."""

    answer_placeholder: str
    context_fold: str
    system_placeholder: str
    turn_user: str
    turn_assistant: str
    turn_add: str
    turn_remove: str
    turn_incomplete: str
    earlier_turns: str
    places_held: str
    paste_label: str
    paste_info: str
    paste_use: str
    paste_bad_json: str
    paste_no_prompt: str
    paste_too_many: str
    count: str
    count_over: str
    compare_hint: str
    comparing: str
    swap: str
    verdict_label: str
    empty_verdict: str
    busy_verdict: str
    computing: str
    gone: str
    stale: str
    not_compared: str
    belief: str
    reward_is: str
    words_summary: str
    words_intro: str
    tie_band: str
    word_tie: str
    word_slightly: str
    word_better: str
    word_clearly: str
    verdict_words: str
    up_to: str
    above: str
    published: str
    published_note: str
    published_differs: str
    numbers: str
    tokens_a: str
    tokens_b: str
    result_trace: str
    result_difference: str
    result_computed: str
    result_export: str
    trace_note: str
    trace_plot: str
    trace_piece: str
    trace_reward: str
    trace_rise: str
    trace_fall: str
    trace_shades: str
    trace_legend: str
    trace_end: str
    trace_table: str
    trace_every: str
    difference_same: str
    difference_long: str
    difference_note: str
    only_a: str
    only_b: str
    check_order: str
    check_order_note: str
    check_order_same: str
    check_order_other: str
    revision: str
    revision_local: str
    kernel: str
    device: str
    versions: str
    self_test: str
    self_test_value: str
    waited: str
    share_make: str
    share_label: str
    share_note: str
    share_broken: str
    share_opened: str
    export_format: str
    export_copy: str
    export_copied: str
    export_download: str
    history: str
    history_keep: str
    history_clear: str
    history_empty: str
    history_note: str
    history_open: str
    history_delete: str


ENGLISH = CompareTexts(
    answer_placeholder="Paste an answer",
    context_fold="System prompt and earlier turns (optional)",
    system_placeholder="Instructions that stood before the conversation",
    turn_user="Earlier question {i}",
    turn_assistant="Earlier answer {i}",
    turn_add="Add an earlier exchange",
    turn_remove="Remove exchange {i}",
    turn_incomplete="{field} is empty: an earlier exchange needs a question and an answer. Fill it in, or remove the exchange.",
    earlier_turns="The text of the earlier turns",
    places_held="You already wait in {count} places of the queue, which is as many as one visitor may hold. Come back in about {seconds} s. Your text is kept.",
    paste_label="Paste a conversation as JSON",
    paste_info='A list of {"role", "content"} messages. A last assistant message becomes answer A.',
    paste_use="Use this conversation",
    paste_bad_json="Expected JSON; line {line}, column {column}: {reason}.",
    paste_no_prompt="Expected at least one user message; got none.",
    paste_too_many="Expected at most {limit} earlier exchanges; got {count}. The command line and the API take more.",
    count="{n_tokens:,} of {max_tokens:,} tokens, prompt included",
    count_over="{n_tokens:,} tokens with the prompt: {excess:,} over the limit of {max_tokens:,}",
    compare_hint="Compare (Ctrl+Enter)",
    comparing="Comparing…",
    swap="Swap A and B",
    verdict_label="Verdict",
    empty_verdict="The verdict appears here.",
    busy_verdict="Waiting for the model’s answer…",
    computing="Computing…",
    gone="The server no longer has this result; compare again. Your text is kept.",
    stale="The text has changed since this verdict.",
    not_compared="Not compared",
    belief="The model’s belief that each answer is the better one",
    reward_is="A reward is how much the model likes an answer. It has no unit and no fixed range, and says nothing about truth: only the difference between answers to this one prompt means something. The percentages are the model’s own belief, not a measured accuracy.",
    words_summary="What do these words mean?",
    words_intro="The words follow the model’s belief in the answer it prefers:",
    tie_band="“Too close to call” reaches this many percent to either side of 50 %",
    word_tie="Too close to call",
    word_slightly="slightly better",
    word_better="better",
    word_clearly="clearly better",
    verdict_words="Answer {letter} is {words}",
    up_to="up to {percent}",
    above="above {percent}",
    published="Published for INF-ORM-70B in bf16 on a GPU",
    published_differs="This model is wrong here. INF-ORM-70B prefers the other answer, which is the right one.",
    published_note="The model card’s own numbers for this example. Another model or precision gives other numbers.",
    numbers="Numbers",
    tokens_a="Tokens, A",
    tokens_b="Tokens, B",
    result_trace="Reward along the answer",
    result_difference="Difference",
    result_computed="How this was computed",
    result_export="Share and export",
    trace_note="Exploratory: the score head was trained to be read at the end of an answer only. Before the end its value shows where the model changes its mind, not how good the text so far is. The last point is the reward.",
    trace_plot="Score head after each token",
    trace_piece="Token of the answer",
    trace_reward="Score head",
    trace_rise="rises",
    trace_fall="falls",
    trace_shades="The stronger the shade, the more the value {rises} or {falls} at that token.",
    trace_legend="Underlined is the tenth of the tokens that moves it most: a solid line and + where it rises, a dashed line and − where it falls.",
    trace_end="(end of the answer: the reward)",
    trace_table="The same as a table",
    trace_every="Every {step}th token is listed.",
    difference_same="Both answers have the same words.",
    difference_long="The answers have {count:,} words together; the word difference is drawn up to {limit:,}.",
    difference_note="Words that only one answer has, in the order of the text.",
    only_a="only in A",
    only_b="only in B",
    check_order="Check the order",
    check_order_note="Scores the pair again with A and B exchanged. A fair judge gives the same rewards.",
    check_order_same="Exchanged and scored again: both rewards are the same to the last bit (difference 0).",
    check_order_other="Exchanged and scored again: A differs by {a:.3g}, B by {b:.3g}.",
    revision="Revision",
    revision_local="local folder",
    kernel="Attention kernel",
    device="Device",
    versions="Versions",
    self_test="Self-test",
    self_test_value="On a known example this model gave {got}; recorded are {expected}, and each may be off by {tolerance}.",
    waited="Time waited",
    share_make="Make a link",
    share_label="Link to this comparison",
    share_note="The link itself holds the texts, after the #, a part that browsers send to no server. Whoever opens it gets the same inputs and can score them again; the page then sends them to its server, as if they were typed.",
    share_broken="This link holds no comparison that can be read; it may have been cut off. Ask for it again.",
    share_opened="Opened from a link. Press Compare to score it.",
    export_format="Format",
    export_copy="Copy",
    export_copied="Copied",
    export_download="Download",
    history="History in this browser",
    history_keep="Keep a history here",
    history_clear="Delete all",
    history_empty="Comparisons you make are listed here.",
    history_note="The last 50 comparisons, in this browser only. Opening one brings its texts back; compare to score them again.",
    history_open="Open",
    history_delete="Delete",
)


CHINESE = CompareTexts(
    answer_placeholder="粘贴一个回答",
    context_fold="系统提示与之前的对话（可选）",
    system_placeholder="对话开始前的指令",
    turn_user="之前的问题 {i}",
    turn_assistant="之前的回答 {i}",
    turn_add="添加一轮之前的对话",
    turn_remove="删除第 {i} 轮",
    turn_incomplete="{field}为空：之前的每轮对话都要有问题和回答。请补全，或删除这一轮。",
    earlier_turns="之前的对话",
    places_held="您已占用队列中的 {count} 个位置，这是每位访客的上限。请在约 {seconds} 秒后再试。您的文字已保留。",
    paste_label="粘贴 JSON 格式的对话",
    paste_info='由 {"role", "content"} 组成的列表。最后一条 assistant 消息会成为回答 A。',
    paste_use="使用这段对话",
    paste_bad_json="应为 JSON；第 {line} 行第 {column} 列：{reason}。",
    paste_no_prompt="至少要有一条 user 消息，但没有找到。",
    paste_too_many="最多支持 {limit} 轮之前的对话，收到 {count} 轮。命令行和 API 没有此限制。",
    count="{n_tokens:,} / {max_tokens:,} 个词元（含提示）",
    count_over="连同提示 {n_tokens:,} 个词元：超出上限 {max_tokens:,} 共 {excess:,} 个",
    compare_hint="比较（Ctrl+Enter）",
    comparing="比较中…",
    swap="交换 A 和 B",
    verdict_label="结论",
    empty_verdict="结论会显示在这里。",
    busy_verdict="正在等待模型的结果…",
    computing="正在计算…",
    gone="服务器上已没有此结果，请重新比较。您的文字已保留。",
    stale="得出此结论之后，文字已有改动。",
    not_compared="未能比较",
    belief="模型认为各回答更好的把握",
    reward_is="奖励分表示模型有多喜欢一个回答。它没有单位，没有固定范围，也不说明回答是否属实：只有同一提示下不同回答之间的差值才有意义。百分比是模型自己的把握，不是测得的准确率。",
    words_summary="这些说法是什么意思？",
    words_intro="措辞取决于模型对所偏好回答的把握：",
    tie_band="“难分高下”的范围：50 % 上下各多少个百分点",
    word_tie="难分高下",
    word_slightly="略好",
    word_better="更好",
    word_clearly="明显更好",
    verdict_words="回答 {letter} {words}",
    up_to="至 {percent}",
    above="超过 {percent}",
    published="INF-ORM-70B 公布的结果（GPU，bf16）",
    published_differs="这个模型在这里判断有误。INF-ORM-70B 偏好另一个回答，那才是正确的回答。",
    published_note="模型卡为此示例公布的数字。换用其他模型或精度，数字会不同。",
    numbers="数字",
    tokens_a="词元数 A",
    tokens_b="词元数 B",
    result_trace="沿回答的奖励分",
    result_difference="差异",
    result_computed="计算方式",
    result_export="分享与导出",
    trace_note="探索性内容：打分头只针对回答末尾训练。中途的数值显示模型在哪里改变看法，并不代表前面文字的好坏。最后一点就是奖励分。",
    trace_plot="每个词元之后的打分",
    trace_piece="回答中的词元",
    trace_reward="打分",
    trace_rise="上升",
    trace_fall="下降",
    trace_shades="底色越深，该词元处的打分{rises}或{falls}得越多。",
    trace_legend="下划线标出变化最大的十分之一词元：实线和 + 表示上升，虚线和 − 表示下降。",
    trace_end="（回答结束：奖励分）",
    trace_table="以表格显示",
    trace_every="每 {step} 个词元列出一个。",
    difference_same="两个回答的用词完全相同。",
    difference_long="两个回答共有 {count:,} 个词；词级差异最多显示 {limit:,} 个词。",
    difference_note="按原文顺序标出只在一个回答中出现的词。",
    only_a="仅 A",
    only_b="仅 B",
    check_order="检查顺序",
    check_order_note="交换 A 与 B 后再打分。公正的评判应给出相同的奖励分。",
    check_order_same="交换后再次打分：两个奖励分完全一致（差为 0）。",
    check_order_other="交换后再次打分：A 相差 {a:.3g}，B 相差 {b:.3g}。",
    revision="版本",
    revision_local="本地文件夹",
    kernel="注意力内核",
    device="设备",
    versions="软件版本",
    self_test="自检",
    self_test_value="在已知示例上，该模型给出 {got}；记录为 {expected}，允许误差各为 {tolerance}。",
    waited="等待时间",
    share_make="生成链接",
    share_label="此比较的链接",
    share_note="链接在 # 之后包含全部文字，浏览器不会把这一部分发送给任何服务器。打开链接的人会得到同样的输入，并可重新打分；此时页面会像对待输入的文字一样，把它们发送到其服务器。",
    share_broken="此链接不包含可读取的比较，可能已被截断。请重新索取。",
    share_opened="已从链接打开。按“比较”即可打分。",
    export_format="格式",
    export_copy="复制",
    export_copied="已复制",
    export_download="下载",
    history="此浏览器中的历史记录",
    history_keep="在此保留历史记录",
    history_clear="全部删除",
    history_empty="您所做的比较会列在这里。",
    history_note="最近 50 次比较，仅存于此浏览器。打开一项会恢复文字；按“比较”可重新打分。",
    history_open="打开",
    history_delete="删除",
)
