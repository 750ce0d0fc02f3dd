"""The web page: texts in, a verdict out.

`layout`, `theme`, `events` and the tabs know gradio; `handlers`, `view`, `examples` and `texts` are plain Python and
import neither gradio nor torch, so that they can be tested without either.
"""
