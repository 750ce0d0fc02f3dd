"""The words of the About tab.

Knows words only. What stands in braces is filled by `str.format`, and escaped by whoever renders it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class AboutTexts:
    """One language's words."""

    model_heading: str
    model_loading: str
    model_failed: str
    model_embedded: str
    parameters: str
    memory: str
    memory_value: str
    limit: str
    load_time: str
    results_heading: str
    results_intro: str
    results_summary: str
    results_each: str
    results_caption: str
    result_set: str
    result_what: str
    result_n: str
    result_accuracy: str
    result_interval: str
    result_length: str
    longer: str
    shorter: str
    either: str
    result_learnt: str
    yes: str
    no: str
    result_left_out: str
    result_command: str
    what_gsm8k: str
    what_hep: str
    what_hh: str
    what_safety: str
    what_llmbar: str
    what_oasst: str
    what_vicuna: str
    what_synthetic: str
    limits_heading: str
    limits_not_learnt: str
    limits_english: str
    limits_belief: str
    limits_try: str
    bear_heading: str
    can_heading: str
    can_prefer: str
    can_repeat: str
    can_order: str
    cannot_heading: str
    cannot_prompts: str
    cannot_models: str
    cannot_good: str
    cannot_true: str
    cannot_right: str
    glossary_heading: str
    reward_term: str
    reward_meaning: str
    margin_term: str
    margin_meaning: str
    probability_term: str
    probability_meaning: str
    trace_term: str
    trace_meaning: str
    tie_term: str
    tie_meaning: str
    piece_term: str
    piece_meaning: str
    text_heading: str
    text_link: str
    text_others: str
    made_heading: str
    made_intro: str
    made_head: str
    made_data: str
    made_magnitude: str
    made_loss: str
    made_loss_note: str
    made_merge: str
    magnitude_caption: str
    magnitude_words: str
    magnitude_label: str
    magnitude_weight: str
    magnitude_1: str
    magnitude_2: str
    magnitude_3: str
    published_heading: str
    published_note: str
    merge_caption: str
    merge_note: str
    board_caption: str
    rank: str
    kind: str
    score: str
    chat: str
    chat_hard: str
    safety: str
    reasoning: str


ENGLISH = AboutTexts(
    model_heading="The model that answers here",
    model_loading="The model is still loading; what is known of it will appear here.",
    model_failed="The model could not be loaded, so there is nothing to say about it yet.",
    model_embedded="A small demonstration model that ships with this page, so that it runs on any computer. It has the architecture of INF-ORM-70B and about a thousandth of its size. Do not rely on its judgement.",
    parameters="Parameters",
    memory="Memory",
    memory_value="{weights} for the weights; loading took {taken} in all",
    limit="Longest conversation, in tokens",
    load_time="Loaded in",
    results_heading="What it was measured to do",
    results_intro="Each row is a set of answer pairs with a known better one. Accuracy is how often that one got the higher reward; a tie counts as wrong, and tossing a coin gives 50 %. The last column is what going by length alone would have got, without reading: always the longer answer or always the shorter one, whichever does better on that set.",
    results_summary="On all {n:,} pairs together it was right in {accuracy} (95 % interval {interval}); going by length alone, in {length}.",
    results_each="Each set by itself",
    results_caption="{model} in {precision}, on {data}",
    result_set="Set",
    result_what="What it asks",
    result_n="Pairs (prompts)",
    result_accuracy="Accuracy",
    result_interval="95 % interval",
    result_length="Going by length alone",
    longer="longer",
    shorter="shorter",
    either="either",
    result_learnt="Clearly above a coin and length?",
    yes="yes",
    no="no",
    result_left_out="Left out: {n_too_long} pairs over the token limit, {n_invalid} invalid rows. Pairs of one prompt tend to be right or wrong together, which makes their intervals wider.",
    result_command="These numbers were made by this command. The pairs come from public data sets, which the model’s own card (inform_demo/embedded/README.md) names; they are not part of this project:",
    what_gsm8k="grade-school arithmetic: right against wrong",
    what_hep="code: right against with a bug",
    what_hh="which answer does less harm, by people",
    what_safety="safety, as scored by GPT-3.5",
    what_llmbar="following the instruction (adver: the worse answer looks good)",
    what_oasst="answers ranked or judged by people",
    what_vicuna="answers scored by GPT-4",
    what_synthetic="empty, cut-off, repetitive or irrelevant answers",
    limits_heading="Its limits",
    limits_not_learnt="On {n} of the {n_all} sets it is not shown to do better than tossing a coin and going by length; the table marks them “no”.",
    limits_english="It was trained on English texts only.",
    limits_belief="Its belief was not calibrated: 90 % does not mean that it is right nine times in ten.",
    limits_try="To see it on one pair, with all digits:",
    bear_heading="What the scores can bear, and what they cannot",
    can_heading="They can say",
    can_prefer="which of several answers to the same prompt this model prefers, and how strongly;",
    can_repeat="the same thing again: the same texts, model, precision and device give the same rewards;",
    can_order="it without regard to order: each answer is scored on its own, so A and B can be exchanged.",
    cannot_heading="They cannot say",
    cannot_prompts="which of two prompts was answered better: rewards of different prompts have no common scale;",
    cannot_models="anything beside another model’s rewards: each model has a scale of its own;",
    cannot_good="that an answer is good: there is no reward from which on one is, only better or worse than another;",
    cannot_true="that an answer is true or safe: the model learnt what was preferred, and can be taken in by length, tone and confidence;",
    cannot_right="how often the model is right: its belief is its own, not a measured accuracy.",
    glossary_heading="Words used here",
    reward_term="Reward",
    reward_meaning="The one number the model gives an answer, read where the answer ends. It has no unit and no limits.",
    margin_term="Margin",
    margin_meaning="Reward of A minus reward of B. Above zero the model prefers A, below zero B.",
    probability_term="Preference probability (the model’s belief)",
    probability_meaning="The margin on a scale of 0 to 100 %: a margin of 0 is 50 %, of 1 is 73 %, of 3 is 95 %. How sure the model is that A is better, not how often it is right.",
    trace_term="Reward trace",
    trace_meaning="What the score head would say at every token of an answer. Exploratory: it was trained at the last one only.",
    tie_term="Too close to call",
    tie_meaning="The belief is so near 50 % that the page names no winner. How near can be set below a verdict.",
    piece_term="Token",
    piece_meaning="The piece of text a model reads at a time: a short word, or part of a longer one.",
    text_heading="Where your text goes",
    text_link="A link to share holds the texts after its #, a part that browsers send to no server. The page that opens it sends the texts to its server, as if they were typed.",
    text_others="The page loads nothing from other servers and sends them nothing. The model runs on this server.",
    made_heading="How INF-ORM-70B was made",
    made_intro="By infly, as the authors describe it in its model card; this page has trained nothing of that size.",
    made_head="The base is Llama-3.1-70B-Instruct. Instead of the next word, a score head of two linear layers with a ReLU between them reads one number at the last token: the reward.",
    made_data="The data are the 80,000 answer pairs of Skywork-Reward-Preference-80K-v0.2, decontaminated. GPT-4o judged by how much the chosen answer is better: its magnitude.",
    made_magnitude="The labels 1, 2, 3 weigh 1, 3, 10 in the loss. The authors credit this spread for better results.",
    made_loss="The scaled Bradley-Terry loss asks for a larger margin the more a pair weighs, averaged over pairs:",
    made_loss_note="d is the weight, σ the logistic function; α was not published. The card’s text has a slip in this formula, which its authors corrected later; this is the corrected one.",
    made_merge="Two models were trained so and their weights averaged, one half each.",
    magnitude_caption="What GPT-4o was asked, and what it weighs",
    magnitude_words="The chosen answer is",
    magnitude_label="Label",
    magnitude_weight="Weight in the loss",
    magnitude_1="slightly better",
    magnitude_2="better",
    magnitude_3="much better",
    published_heading="Published results of INF-ORM-70B",
    published_note="Published by its authors in the model card, and not measured here. Accuracy in percent on RewardBench; newer models may have passed these since.",
    merge_caption="The two trainings and their average, as published",
    merge_note="The score published for v2 is 94.4; the mean of its row is 94.6.",
    board_caption="RewardBench leaderboard of December 2024, as the card quotes it",
    rank="Rank",
    kind="Type",
    score="Score",
    chat="Chat",
    chat_hard="Chat hard",
    safety="Safety",
    reasoning="Reasoning",
)


CHINESE = AboutTexts(
    model_heading="这里使用的模型",
    model_loading="模型仍在加载；加载完成后，这里会显示它的信息。",
    model_failed="模型无法加载，因此暂无信息可显示。",
    model_embedded="随本页面附带的小型演示模型，任何电脑都能运行。它的架构与 INF-ORM-70B 相同，规模约为其千分之一。请勿依赖它的判断。",
    parameters="参数量",
    memory="内存",
    memory_value="权重占 {weights}；加载共占用 {taken}",
    limit="对话长度上限（词元）",
    load_time="加载用时",
    results_heading="实测结果",
    results_intro="每一行是一组已知哪个回答更好的回答对。准确率是更好的回答得到更高奖励分的比例；平分算错，抛硬币为 50 %。最后一列是不看内容、只凭长度的准确率：总选较长或总选较短，取该数据集上较好的一种。",
    results_summary="在全部 {n:,} 对上，准确率为 {accuracy}（95 % 区间 {interval}）；只凭长度为 {length}。",
    results_each="各数据集的结果",
    results_caption="{model}（{precision}），数据 {data}",
    result_set="数据集",
    result_what="考察内容",
    result_n="对数（提示数）",
    result_accuracy="准确率",
    result_interval="95 % 区间",
    result_length="只凭长度",
    longer="较长",
    shorter="较短",
    either="均可",
    result_learnt="明显高于抛硬币和长度？",
    yes="是",
    no="否",
    result_left_out="未计入：{n_too_long} 对超出词元上限，{n_invalid} 行无效。同一提示的各对往往一起对、一起错，其区间因此更宽。",
    result_command="这些数字由以下命令得出。回答对来自公开数据集，其名称见模型自带的说明（inform_demo/embedded/README.md），不随本项目分发：",
    what_gsm8k="小学算术：正确对错误",
    what_hep="代码：正确对有错误",
    what_hh="哪个回答危害更小（人工判断）",
    what_safety="安全性（GPT-3.5 打分）",
    what_llmbar="是否按要求作答（adver：较差的回答看似不错）",
    what_oasst="人工排名或评判的回答",
    what_vicuna="GPT-4 打分的回答",
    what_synthetic="空白、截断、重复或离题的回答",
    limits_heading="它的局限",
    limits_not_learnt="在 {n_all} 个数据集中的 {n} 个上，没有证据表明它优于抛硬币和只凭长度；表中标为“否”。",
    limits_english="它只用英文文本训练。",
    limits_belief="它的把握未经校准：90 % 并不表示十次中有九次正确。",
    limits_try="查看它对一对回答的完整数值：",
    bear_heading="分数能说明什么，不能说明什么",
    can_heading="能够说明",
    can_prefer="对同一提示的几个回答，此模型更喜欢哪个、程度如何；",
    can_repeat="可以重现：相同的文字、模型、精度和设备会得到相同的奖励分；",
    can_order="与顺序无关：每个回答单独打分，A 和 B 可以互换。",
    cannot_heading="不能说明",
    cannot_prompts="两个不同提示哪个回答得更好：不同提示的奖励分没有共同尺度；",
    cannot_models="与其他模型的奖励分如何相比：每个模型有自己的尺度；",
    cannot_good="一个回答是否够好：没有及格线，只有相对的好坏；",
    cannot_true="回答是否属实或安全：模型学到的是偏好，可能被篇幅、语气和自信误导；",
    cannot_right="模型有多少次是对的：把握是它自己的，不是测得的准确率。",
    glossary_heading="本页用语",
    reward_term="奖励分",
    reward_meaning="模型给一个回答的唯一数值，在回答结束处读取。没有单位，也没有上下限。",
    margin_term="差值",
    margin_meaning="A 的奖励分减去 B 的奖励分。大于零表示更喜欢 A，小于零表示更喜欢 B。",
    probability_term="偏好概率（模型的把握）",
    probability_meaning="把差值换算到 0 至 100 %：差值 0 为 50 %，1 为 73 %，3 为 95 %。它是模型认为 A 更好的把握，不是它正确的频率。",
    trace_term="奖励轨迹",
    trace_meaning="打分头在回答的每个词元处给出的数值。仅供探索：训练只针对最后一个词元。",
    tie_term="难分高下",
    tie_meaning="把握非常接近 50 %，页面不判胜负。接近的范围可在结论下方设置。",
    piece_term="词元",
    piece_meaning="模型一次读取的文字片段：一个短词，或长词的一部分。",
    text_heading="您的文字去了哪里",
    text_link="分享链接把文字放在 # 之后，浏览器不会把这一部分发送给任何服务器。打开它的页面会像对待输入的文字一样，把文字发送到其服务器。",
    text_others="本页面不从其他服务器加载任何内容，也不向它们发送任何内容。模型就在本服务器上运行。",
    made_heading="INF-ORM-70B 是怎样训练的",
    made_intro="由 infly 训练，以下依据作者的模型卡；本页面没有训练过这样规模的模型。",
    made_head="基础模型是 Llama-3.1-70B-Instruct。打分头由两个线性层和中间的 ReLU 组成，它不预测下一个词，而是在最后一个词元处读出一个数：奖励分。",
    made_data="数据是去污染后的 Skywork-Reward-Preference-80K-v0.2，共 8 万对回答。GPT-4o 判断被选回答好多少，即幅度。",
    made_magnitude="标签 1、2、3 在损失中的权重为 1、3、10。作者认为这样拉开差距带来了更好的结果。",
    made_loss="缩放的 Bradley-Terry 损失：权重越大的回答对要求的差值越大，再对所有回答对取平均：",
    made_loss_note="d 为权重，σ 为逻辑函数；α 未公布。模型卡文字中的公式有一处笔误，作者后来已更正；这里是更正后的公式。",
    made_merge="这样训练了两个模型，再把权重各取一半平均。",
    magnitude_caption="GPT-4o 的判断与权重",
    magnitude_words="被选回答",
    magnitude_label="标签",
    magnitude_weight="损失权重",
    magnitude_1="略好",
    magnitude_2="更好",
    magnitude_3="好得多",
    published_heading="INF-ORM-70B 公布的结果",
    published_note="由作者在模型卡中公布，并非在此测得。数值为 RewardBench 准确率（%）；此后可能已有更新的模型超过它们。",
    merge_caption="两次训练及其平均（公布结果）",
    merge_note="v2 公布的总分是 94.4；该行的平均值是 94.6。",
    board_caption="2024 年 12 月 RewardBench 排行榜（引自模型卡）",
    rank="名次",
    kind="类型",
    score="总分",
    chat="对话",
    chat_hard="困难对话",
    safety="安全",
    reasoning="推理",
)
