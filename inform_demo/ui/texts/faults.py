"""Words for faults from below the page: a sentence for each type of `InformError` in each language but English.

An error speaks English itself. What the page finds wrong with a visitor's input it says in their language at once, so
those words stand with their tab. What stands in braces is filled with the error's own numbers, or with its own words
where only these say which file, row or turn is meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from inform_demo.errors import InformError, InputError

ENGLISH: dict[str, str] = {}

_OWN_WORDS = "（英文原文：{message}）"

CHINESE = {
    "InformError": "出错了。" + _OWN_WORDS,
    "InputError": "输入的内容无法打分。" + _OWN_WORDS,
    "EmptyTextError": "有一处文字是空的。" + _OWN_WORDS,
    "InvalidTextError": "文字不是有效的 Unicode。" + _OWN_WORDS,
    "RoleOrderError": "对话的轮次不对：最前面可以有一条系统消息，之后用户与助手交替，以助手结束。" + _OWN_WORDS,
    "ConversationTooLongError": "对话有 {n_tokens:,} 个词元，上限为 {max_tokens:,}。请缩短；我们不会悄悄截断。",
    "ChatTemplateError": "模型的对话模板不接受这段对话。" + _OWN_WORDS,
    "DataError": "数据文件或其中一行无法使用。" + _OWN_WORDS,
    "ConfigError": "有一项设置不可用。" + _OWN_WORDS,
    "LoadError": "模型无法加载。" + _OWN_WORDS,
    "MissingDependencyError": "缺少软件包 {package}。请运行：{install}",
    "CheckpointError": "找不到模型文件，或者文件不完整、已损坏、属于其他架构。" + _OWN_WORDS,
    "NotEnoughMemoryError": "内存不足，放不下这个模型。" + _OWN_WORDS,
    "NotEnoughDiskError": "磁盘空间不足，放不下所需的文件。" + _OWN_WORDS,
    "DownloadError": "下载中断，已完整下载的文件会保留。" + _OWN_WORDS,
    "ScoringError": "打分失败。" + _OWN_WORDS,
    "ModelNotReadyError": "模型尚未就绪，请稍后再试。" + _OWN_WORDS,
    "OutOfMemoryError": "内存不足，无法为这些文字打分。请缩短文字，或减少回答的数量。" + _OWN_WORDS,
    "NoRoomError": (
        "{n_tokens:,} 个词元的对话需要 {needed_mib:,.0f} MiB 内存，可用 {free_mib:,.0f} MiB。"
        "大约放得下 {fitting_tokens:,} 个词元，请缩短文字。"
    ),
    "ScoringTimeoutError": (
        "为 {n_tokens:,} 个词元打分超过了允许的 {allowed_s:,.0f} 秒，已放弃。请重试；如果再次发生，需要重启模型或设备。"
    ),
    "ModelStuckError": (
        "模型卡住了：{stuck_s:,.0f} 秒前开始的一次计算仍未返回。返回之后模型会继续回答；如果一直不返回，需要重启服务器。"
    ),
    "NonFiniteRewardError": "模型给出的不是有限的数值，不能作为奖励分；它的权重可能已损坏。" + _OWN_WORDS,
    "VerificationError": "模型在已知示例上给出的奖励分与应有的不符，请勿相信它的分数。" + _OWN_WORDS,
}


# The folders of an absolute path of this machine; no address of the web, and no "and/or".
_FOLDERS = re.compile(r"(?<![\w.:/])~?/(?:[^\s/:;,'\"`()]+/)*(?=[^\s/:;,'\"`()])")


def hide_paths(text: str) -> str:
    """What a fault says, without where on the server things are: of a path its last name only."""
    return _FOLDERS.sub("", text)


def describe(words: Mapping[str, str], error: InformError) -> str:
    """An error in the words of a language, those of the nearest type that has some; in its own where none has.

    Paths of the server are left out: only an `InputError` may quote one, which then is the visitor's own.
    """
    if isinstance(error.__cause__, InformError):  # such as why a model is not there
        error = error.__cause__
    sentence = next((words[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in words), "{message}")
    in_mib = {
        f"{name.removesuffix('bytes')}mib": n / 2**20 for name, n in vars(error).items() if name.endswith("_bytes")
    }
    message = str(error) if isinstance(error, InputError) else hide_paths(str(error))
    return sentence.format(**vars(error), **in_mib, message=message)
