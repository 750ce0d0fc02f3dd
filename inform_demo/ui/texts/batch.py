"""The words of the Batch tab.

Knows words only. What stands in braces is filled by `str.format`, and escaped by whoever renders it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BatchTexts:
    """One language's words."""

    intro: str
    file: str
    file_label: str
    file_note: str
    example: str
    file_read: str
    file_failed: str
    columns: str
    columns_note: str
    columns_missing: str
    gone: str
    full: str
    full_of_one: str
    file_kept: str
    uploads_full: str
    column_prompt: str
    column_a: str
    column_b: str
    column_label: str
    column_none: str
    preview: str
    run: str
    go_on: str
    running: str
    stop: str
    stopping: str
    progress_label: str
    progress: str
    progress_stopped: str
    progress_done: str
    progress_failed: str
    seconds_left: str
    minutes_left: str
    no_answer: str
    summary: str
    summary_scored: str
    summary_failed: str
    summary_a: str
    summary_b: str
    summary_tie: str
    summary_accuracy: str
    summary_accuracy_value: str
    summary_longer: str
    summary_longer_value: str
    summary_correlation: str
    summary_correlation_value: str
    of_scored: str
    histogram: str
    histogram_rows: str
    histogram_table: str
    histogram_from: str
    histogram_to: str
    table: str
    table_row: str
    table_words: str
    table_belief: str
    table_label: str
    table_error: str
    table_cut: str
    download: str


ENGLISH = BatchTexts(
    intro="Score a file of pairs: the columns prompt, response_a and response_b, and label if you know the better one. Other names can be matched after the upload.",
    file="File: CSV, JSONL or Parquet, at most {rows:,} rows and {megabytes} MB.",
    file_label="Choose a file",
    file_note="It is deleted from this server once it is read; the server’s memory keeps the rows until it needs their room, so that a lost connection loses nothing.",
    example="Download an example file",
    file_read="{name}: {rows:,} rows, columns {columns}",
    file_failed="The file cannot be used",
    columns="Columns",
    columns_note="Guessed from their names; change what is wrong. A prompt may be text or a list of messages. Labels: a, b, tie, 0 (A) or 1 (B).",
    columns_missing="Choose the columns of both answers.",
    gone="The server no longer has this file; choose it again.",
    full="The server holds as many files as it can, all of them in use. Come back in a few minutes.",
    full_of_one="You, or others at your address, already have {count} files in use here, which is as many as one visitor may. Come back in a few minutes.",
    file_kept="The file before it is still here.",
    uploads_full="The server holds as many files as it may. Come back in about {minutes} minutes.",
    column_prompt="Prompt",
    column_a="Answer A",
    column_b="Answer B",
    column_label="Label: the better answer",
    column_none="(none)",
    preview="First rows",
    run="Score all rows",
    go_on="Go on",
    running="Scoring…",
    stop="Stop",
    stopping="Stopping after this row…",
    progress_label="Progress",
    progress="{done:,} of {total:,} rows, about {left} left",
    progress_stopped="Stopped at {done:,} of {total:,} rows. They are kept below; Go on scores the rest.",
    progress_done="All {total:,} rows done.",
    progress_failed="{message} The rows done so far are kept below; Go on scores the rest.",
    seconds_left="{n} s",
    minutes_left="{n} min",
    no_answer="No answer came back: too many people may be waiting, or the server cannot be reached.",
    summary="Summary",
    summary_scored="Rows scored",
    summary_failed="Rows left out, with their reason in the table",
    summary_a="Answer A preferred",
    summary_b="Answer B preferred",
    summary_tie="Too close to call",
    summary_accuracy="Accuracy: the labelled answer is preferred",
    summary_accuracy_value="{percent} of {n:,} labelled rows (95 % interval {low} to {high})",
    summary_longer="The longer answer is preferred",
    summary_longer_value="in {percent} of the rows that are decided",
    summary_correlation="Margin against difference in length",
    summary_correlation_value="rank correlation {value} (0: none, 1: always follows length)",
    of_scored="{n:,} ({percent})",
    histogram="Margins (A − B)",
    histogram_rows="Rows",
    histogram_table="The same as a table",
    histogram_from="from",
    histogram_to="to",
    table="Rows",
    table_row="Row",
    table_words="Verdict",
    table_belief="Belief in A",
    table_label="Label",
    table_error="Reason",
    table_cut="Long texts are shortened in this table, never in the files.",
    download="Download",
)


CHINESE = BatchTexts(
    intro="为整个文件打分：列为 prompt、response_a、response_b，如知道哪个更好可加 label。其他列名可在上传后对应。",
    file="文件：CSV、JSONL 或 Parquet，最多 {rows:,} 行、{megabytes} MB。",
    file_label="选择文件",
    file_note="文件读取后即从服务器删除；各行会保留在服务器内存中，直到需要腾出空间为止，连接中断也不会丢失。",
    example="下载示例文件",
    file_read="{name}：{rows:,} 行，列：{columns}",
    file_failed="无法使用此文件",
    columns="列",
    columns_note="根据列名推测；如有错误请修改。提示可以是文字或消息列表。标签：a、b、tie、0（A）或 1（B）。",
    columns_missing="请选择两个回答所在的列。",
    gone="服务器上已没有此文件，请重新选择。",
    full="服务器已无法容纳更多文件，现有文件都在使用中。请过几分钟再试。",
    full_of_one="您（或与您地址相同的其他人）已有 {count} 个文件在此使用中，这是每位访客的上限。请过几分钟再试。",
    file_kept="之前的文件仍然保留。",
    uploads_full="服务器上的文件已达上限。请在约 {minutes} 分钟后再试。",
    column_prompt="提示",
    column_a="回答 A",
    column_b="回答 B",
    column_label="标签：更好的回答",
    column_none="（无）",
    preview="前几行",
    run="为所有行打分",
    go_on="继续",
    running="打分中…",
    stop="停止",
    stopping="完成当前行后停止…",
    progress_label="进度",
    progress="已完成 {done:,} / {total:,} 行，约剩 {left}",
    progress_stopped="停在 {done:,} / {total:,} 行。已完成的保留在下方；“继续”可为其余行打分。",
    progress_done="全部 {total:,} 行已完成。",
    progress_failed="{message} 已完成的行保留在下方；“继续”可为其余行打分。",
    seconds_left="{n} 秒",
    minutes_left="{n} 分钟",
    no_answer="没有收到结果：可能排队的人太多，或无法连接服务器。",
    summary="摘要",
    summary_scored="已打分的行",
    summary_failed="未打分的行（原因见表格）",
    summary_a="偏好回答 A",
    summary_b="偏好回答 B",
    summary_tie="难分高下",
    summary_accuracy="准确率：偏好与标签一致",
    summary_accuracy_value="{n:,} 个有标签的行中占 {percent}（95 % 区间 {low} 至 {high}）",
    summary_longer="偏好较长的回答",
    summary_longer_value="在已分高下的行中占 {percent}",
    summary_correlation="差值与长度差的关系",
    summary_correlation_value="秩相关 {value}（0：无关，1：总是随长度）",
    of_scored="{n:,}（{percent}）",
    histogram="差值（A − B）",
    histogram_rows="行数",
    histogram_table="以表格显示",
    histogram_from="从",
    histogram_to="到",
    table="各行",
    table_row="行",
    table_words="结论",
    table_belief="对 A 的把握",
    table_label="标签",
    table_error="原因",
    table_cut="表格中的长文字会缩略显示，文件中则完整保留。",
    download="下载",
)
