"""The words that every tab shows: title, state of the model, faults.

Knows words only. What stands in braces is filled by `str.format`, and escaped by whoever renders it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PageTexts:
    """One language's words."""

    title: str
    subtitle: str
    status_label: str
    checking: str
    downloading: str
    loading: str
    warming_up: str
    bytes_done: str
    minutes_left: str
    seconds_left: str
    ready: str
    failed: str
    loading_hint: str
    elapsed: str
    failed_to_load: str
    verified: str
    not_verified: str
    retry: str
    embedded_name: str
    place: str
    expected: str
    no_answer: str
    text_kept: str
    unexpected: str
    too_many_requests: str
    too_many_open: str
    bodies_full: str
    queue_full: str
    stopping: str
    sign_in: str
    embedded_warning: str
    embedded_switch: str
    privacy: str
    prompt: str
    prompt_placeholder: str
    system: str
    answer_a: str
    answer_b: str
    empty_field: str
    too_many_characters: str
    in_field: str
    not_text: str
    too_long: str
    model: str
    precision: str
    time: str
    seconds: str
    tokens_shared: str
    margin: str
    rewards: str
    examples: str
    clear: str
    tab_compare: str
    tab_rank: str
    tab_batch: str
    tab_about: str


ENGLISH = PageTexts(
    title="INF-ORM side by side",
    subtitle="Paste a prompt and two answers. A reward model says which answer it prefers, and by how much.",
    status_label="Model status",
    checking="Checking",
    downloading="Downloading",
    loading="Loading",
    warming_up="Warming up",
    bytes_done="{done} of {total} {unit}",
    minutes_left="about {minutes:.0f} min left.",
    seconds_left="about {seconds:.0f} s left.",
    ready="Ready",
    failed="Failed",
    loading_hint="You can write meanwhile; a comparison waits for the model.",
    elapsed="{seconds:.0f} s",
    failed_to_load="The model could not be loaded.",
    verified="✓ Self-test passed: it gives its recorded rewards",
    not_verified="✕ Do not trust these scores: on a known example this model gives {got} instead of {expected} (± {tolerance}).",
    retry="Try loading again",
    embedded_name="demonstration model",
    place="You are number {place} of {count} in the queue.",
    expected="It should take about {seconds} s.",
    no_answer="No answer came back: too many people may be waiting, or the server cannot be reached.",
    text_kept="Your text is kept.",
    unexpected="Something went wrong on the server; its log says what. Your text is kept: you can try again.",
    too_many_requests="You ask faster than this page may answer one visitor. Come back in {seconds} s. Your text is kept.",
    too_many_open="{count} requests from your network are open at once, as many as this page holds for one visitor. Close other tabs of it, or come back in {seconds} s. Your text is kept.",
    bodies_full="The server is reading as much as it can hold. Come back in {seconds} s. Your text is kept.",
    queue_full="All {count} places in the queue are taken. Come back in about {seconds} s. Your text is kept.",
    stopping="The server is being restarted. Come back in about {seconds} s. Your text is kept.",
    sign_in="Sign in with Hugging Face first: the button is at the top of the page. Your text is kept.",
    embedded_warning="Small demonstration model: do not rely on its judgement.",
    embedded_switch="Whoever runs this page can switch to the real one:",
    privacy="Your text is sent to this server while you write, to count its tokens, and to be scored. It is not written to disk there. The server’s memory holds the last result until an hour after this tab is closed, and the rows of a file in Batch until it needs their room. This tab remembers your text until you close it, and the history stays in this browser only.",
    prompt="Prompt",
    prompt_placeholder="What was asked",
    system="System prompt",
    answer_a="Answer A",
    answer_b="Answer B",
    empty_field="{field} is empty: write or paste some text there.",
    too_many_characters="{field} has {count:,} characters; the limit is {limit:,}. Shorten it: nothing is cut off silently.",
    in_field="{field}: {message}",
    not_text="{field} must be text; got {kind}.",
    too_long="{field} with its prompt has {n_tokens:,} tokens; the limit is {max_tokens:,}. Shorten it by {excess:,}: nothing is cut off silently.",
    model="Model",
    precision="Precision",
    time="Time computed",
    seconds="{seconds:.2f} s",
    tokens_shared="Tokens shared",
    margin="Margin (A − B)",
    rewards="Rewards",
    examples="Examples",
    clear="Clear",
    tab_compare="Compare",
    tab_rank="Rank",
    tab_batch="Batch",
    tab_about="About",
)


CHINESE = PageTexts(
    title="INF-ORM 并排比较",
    subtitle="粘贴一个提示和两个回答，奖励模型会说出它更喜欢哪个回答，以及差多少。",
    status_label="模型状态",
    checking="检查中",
    downloading="下载中",
    loading="加载中",
    warming_up="预热中",
    bytes_done="{done} / {total} {unit}",
    minutes_left="约剩 {minutes:.0f} 分钟。",
    seconds_left="约剩 {seconds:.0f} 秒。",
    ready="就绪",
    failed="失败",
    loading_hint="您可以先输入文字；比较会等模型加载完再进行。",
    elapsed="{seconds:.0f} 秒",
    failed_to_load="模型无法加载。",
    verified="✓ 自检通过：给出的奖励分与记录一致",
    not_verified="✕ 请勿相信这些分数：在已知示例上，该模型给出 {got}，而应为 {expected}（± {tolerance}）。",
    retry="重新加载",
    embedded_name="演示模型",
    place="您排在队列的第 {place} 位（共 {count} 位）。",
    expected="预计约需 {seconds} 秒。",
    no_answer="没有收到结果：可能排队的人太多，或无法连接服务器。",
    text_kept="您的文字已保留。",
    unexpected="服务器出错，原因已记入日志。您的文字已保留，可以重试。",
    too_many_requests="您的请求过于频繁。请在 {seconds} 秒后再试。您的文字已保留。",
    too_many_open="您的网络同时有 {count} 个请求未完成，已达到本页面为一位访客保留的上限。请关闭其他标签页，或在 {seconds} 秒后再试。您的文字已保留。",
    bodies_full="服务器正在接收的内容已达到上限。请在 {seconds} 秒后再试。您的文字已保留。",
    queue_full="队列的 {count} 个位置已满。请在约 {seconds} 秒后再试。您的文字已保留。",
    stopping="服务器正在重启。请在约 {seconds} 秒后再试。您的文字已保留。",
    sign_in="请先用 Hugging Face 登录：按钮在页面顶部。您的文字已保留。",
    embedded_warning="这是小型演示模型：请勿依赖它的判断。",
    embedded_switch="要使用正式模型，请这样启动本页面：",
    privacy="您输入时，文字会发送到本服务器以计算词元数，之后用于打分，但不会写入磁盘。服务器内存保留最近一次结果，直到本标签页关闭一小时后；批量文件的各行会保留到需要腾出空间为止。本标签页会记住您的文字直到关闭，历史记录只保存在此浏览器中。",
    prompt="提示",
    prompt_placeholder="提出的问题",
    system="系统提示",
    answer_a="回答 A",
    answer_b="回答 B",
    empty_field="{field}为空：请输入或粘贴一些文字。",
    too_many_characters="{field}有 {count:,} 个字符，上限为 {limit:,}。请缩短；我们不会悄悄截断。",
    in_field="{field}：{message}",
    not_text="{field}必须是文字，收到的是 {kind}。",
    too_long="{field}连同提示共有 {n_tokens:,} 个词元，上限为 {max_tokens:,}。请缩短 {excess:,} 个词元；我们不会悄悄截断。",
    model="模型",
    precision="精度",
    time="计算时间",
    seconds="{seconds:.2f} 秒",
    tokens_shared="共享词元",
    margin="差值（A − B）",
    rewards="奖励分",
    examples="示例",
    clear="清空",
    tab_compare="比较",
    tab_rank="排名",
    tab_batch="批量",
    tab_about="关于",
)
