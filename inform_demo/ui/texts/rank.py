"""The words of the Rank tab.

Knows words only. What stands in braces is filled by `str.format`, and escaped by whoever renders it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RankTexts:
    """One language's words."""

    intro: str
    context_fold: str
    answer: str
    add: str
    remove: str
    undo: str
    removed: str
    cleared: str
    undone: str
    full: str
    example: str
    example_filled: str
    bulk_fold: str
    bulk_note: str
    paste_label: str
    paste_info: str
    paste_use: str
    file_label: str
    file_info: str
    taken_over: str
    taken_from: str
    not_taken: str
    note_label: str
    count_wrong: str
    paste_one: str
    empty_answer: str
    empty_in_list: str
    file_too_large: str
    file_not_text: str
    json_broken: str
    json_too_deep: str
    json_shape: str
    json_responses: str
    json_missing: str
    json_unknown: str
    rank_hint: str
    ranking: str
    result_label: str
    empty_result: str
    stale: str
    not_ranked: str
    first_one: str
    first_several: str
    first_all: str
    ahead_tie: str
    ahead_slightly: str
    ahead_better: str
    ahead_clearly: str
    comma: str
    last_comma: str
    shared_tokens: str
    computed: str
    table: str
    place: str
    place_shared: str
    answer_column: str
    reward: str
    belief: str
    tokens: str
    plot: str
    matrix: str
    matrix_note: str


ENGLISH = RankTexts(
    intro="Give 2 to 16 answers to one prompt. The model ranks them, best first, and says how sure it is of each pair.",
    context_fold="System prompt (optional)",
    answer="Answer {i}",
    add="Add an answer",
    remove="Remove answer {i}",
    undo="Undo",
    removed="Answer {i} was removed; those after it moved up.",
    cleared="Everything was cleared.",
    undone="The texts are back as they were.",
    full="16 answers is the most that can be ranked at once.",
    example="Try an example",
    example_filled="An example was filled in. Press Rank to score it.",
    bulk_fold="Paste several, or open a file",
    bulk_note="Both take the place of the answers above; Undo brings those back.",
    paste_label="Answers, one after another",
    paste_info="Separate two answers by a line that holds --- and nothing else.",
    paste_use="Use these answers",
    file_label="JSON file with answers, at most 1 MB (1,048,576 bytes)",
    file_info='A list of 2 to 16 texts, or an object {"prompt": text, "responses": [text, …], "system": text}, where "system" may be left out. It is read in your browser; no file is stored on the server.',
    taken_over="{count} answers were taken over.",
    taken_from="{count} answers were taken over from {name}.",
    not_taken="Nothing was taken over.",
    note_label="Changes to the answers",
    count_wrong="Expected {fewest} to {most} answers; got {count}.",
    paste_one="Separate the answers by a line that holds --- and nothing else.",
    empty_answer="{field} is empty: write or paste some text there, or remove it.",
    empty_in_list="{field} of {count} is empty; every answer needs some text.",
    file_too_large="{name} has {size:,} bytes; the limit is {limit:,}.",
    file_not_text="{name} is not text in UTF-8; save it in that encoding.",
    json_broken="{name} is not valid JSON: line {line}, column {column}: {reason}.",
    json_too_deep="{name} is nested {depth:,} levels deep; the limit is {limit}, and 2 are needed.",
    json_shape='Expected a list of texts, or an object with "prompt" and "responses"; {name} holds {got}.',
    json_responses='Expected a list of texts under "responses"; got {got}.',
    json_missing='Expected "prompt" and "responses"; {name} has no "{key}".',
    json_unknown='Expected only "prompt", "responses" and "system"; {name} also has {keys}.',
    rank_hint="Rank (Ctrl+Enter)",
    ranking="Ranking…",
    result_label="Ranking",
    empty_result="The ranking appears here.",
    stale="The text has changed since this ranking.",
    not_ranked="Not ranked",
    first_one="{first} is ranked first",
    first_several="{first} share first place",
    first_all="All {count} answers get the same reward and share first place",
    ahead_tie=", but too close to {second} to call",
    ahead_slightly=", slightly ahead of {second}",
    ahead_better=", ahead of {second}",
    ahead_clearly=", clearly ahead of {second}",
    comma=", ",
    last_comma=" and ",
    shared_tokens="The {n_tokens:,} tokens with which all {count} conversations begin, the prompt first of all, were computed once for all of them.",
    computed="Computed in {seconds} by {model} in {precision}.",
    table="Ranking, best first",
    place="Place",
    place_shared="{rank}, shared",
    answer_column="Answer",
    reward="Reward",
    belief="Belief to beat one of the others",
    tokens="Tokens, prompt included",
    plot="The rewards as bars; the table above holds the same numbers.",
    matrix="Each pair: the model’s belief that the row’s answer is better than the column’s",
    matrix_note="The stronger the shade of a cell, the higher the number in it. Answers stand in the order of the ranking.",
)


CHINESE = RankTexts(
    intro="为同一个提示提供 2 到 16 个回答。模型会从好到差排名，并说明对每一对回答的把握。",
    context_fold="系统提示（可选）",
    answer="回答 {i}",
    add="添加一个回答",
    remove="删除回答 {i}",
    undo="撤销",
    removed="已删除回答 {i}，其后的回答依次前移。",
    cleared="已全部清空。",
    undone="文字已恢复原状。",
    full="一次最多对 16 个回答排名。",
    example="试用示例",
    example_filled="已填入示例。按“排名”即可打分。",
    bulk_fold="粘贴多个回答，或打开文件",
    bulk_note="两种方式都会取代上面的回答；按“撤销”可以恢复。",
    paste_label="依次排列的回答",
    paste_info="两个回答之间用单独一行 --- 隔开。",
    paste_use="使用这些回答",
    file_label="含有回答的 JSON 文件，最大 1 MB（1,048,576 字节）",
    file_info='由 2 到 16 段文字组成的列表，或对象 {"prompt": 文字, "responses": [文字, …], "system": 文字}，其中 "system" 可以省略。文件在您的浏览器中读取，不会保存在服务器上。',
    taken_over="已采用 {count} 个回答。",
    taken_from="已从 {name} 采用 {count} 个回答。",
    not_taken="未采用任何内容。",
    note_label="回答的改动",
    count_wrong="应有 {fewest} 到 {most} 个回答，收到 {count} 个。",
    paste_one="请用单独一行 --- 隔开各个回答。",
    empty_answer="{field}为空：请输入或粘贴一些文字，或删除它。",
    empty_in_list="共 {count} 个回答，其中{field}为空；每个回答都要有文字。",
    file_too_large="{name} 有 {size:,} 字节，上限为 {limit:,}。",
    file_not_text="{name} 不是 UTF-8 文本；请以该编码保存。",
    json_broken="{name} 不是有效的 JSON：第 {line} 行第 {column} 列：{reason}。",
    json_too_deep="{name} 嵌套了 {depth:,} 层，上限为 {limit} 层，实际只需 2 层。",
    json_shape='应为文字列表，或含有 "prompt" 和 "responses" 的对象；{name} 的内容是 {got}。',
    json_responses='"responses" 应为文字列表，收到的是 {got}。',
    json_missing='应有 "prompt" 和 "responses"；{name} 缺少 "{key}"。',
    json_unknown='只应有 "prompt"、"responses" 和 "system"；{name} 还有 {keys}。',
    rank_hint="排名（Ctrl+Enter）",
    ranking="排名中…",
    result_label="排名结果",
    empty_result="排名会显示在这里。",
    stale="得出此排名之后，文字已有改动。",
    not_ranked="未能排名",
    first_one="{first} 排名第一",
    first_several="{first} 并列第一",
    first_all="全部 {count} 个回答的奖励分相同，并列第一",
    ahead_tie="，但与{second} 难分高下",
    ahead_slightly="，略优于{second}",
    ahead_better="，优于{second}",
    ahead_clearly="，明显优于{second}",
    comma="、",
    last_comma="和",
    shared_tokens="{count} 段对话开头相同的 {n_tokens:,} 个词元（主要是提示）只计算了一次。",
    computed="由 {model}（{precision}）计算，用时 {seconds}。",
    table="排名（从好到差）",
    place="名次",
    place_shared="并列 {rank}",
    answer_column="回答",
    reward="奖励分",
    belief="胜过另一回答的把握",
    tokens="词元数（含提示）",
    plot="以条形表示的奖励分，数字与上表相同。",
    matrix="两两比较：模型认为行中回答优于列中回答的把握",
    matrix_note="单元格底色越浓，数字越大。回答按排名顺序排列。",
)
