"""The web page: texts in, a verdict out.

`layout` and `theme` are the only modules that know gradio; `handlers`, `view`, `text` and `examples` are plain Python
and import neither gradio nor torch, so that they can be tested without either.
"""
