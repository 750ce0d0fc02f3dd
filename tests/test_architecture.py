"""The house: a module imports only what stands before it, and heavy things only where they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "inform_demo"

# The page: words, then what is plain Python, then what knows gradio.
UI_TEXTS = [f"texts.{name}" for name in ("page", "compare", "rank", "batch", "about", "faults")]
UI_PLAIN = [
    "examples",
    "handlers",
    "view",
    "status_view",
    "result_view",
    "rank_inputs",
    "rank_view",
    "ask_again",
    "export",
    "about_view",
    "batch_view",
    "batch_export",
    "batch_jobs",
]
UI_GRADIO = [
    "theme",
    "events",
    "inputs_panel",
    "result_panel",
    "compare_tab",
    "rank_panel",
    "rank_tab",
    "batch_panel",
    "batch_tab",
    "about_tab",
    "layout",
]

# Between the internet and the page: what the page's events need of it, what is plain, and what knows gradio.
WEB_GROUND = ["web.metrics"]
WEB_PLAIN = [
    f"web.{name}"
    for name in (
        *("logs", "limits", "access", "bodies", "calls", "patience", "routes", "headers", "shares"),
        *("stopping", "door", "stumbles", "uploads", "gate", "zero"),
    )
]
WEB_GRADIO = ["web.metering", "web.fetching", "web.fitting", "web.serving"]
UI = [f"ui.{name}" for name in (*UI_TEXTS, *UI_PLAIN, *UI_GRADIO)]
SERVED = [*WEB_GROUND, *UI[:-1], *WEB_PLAIN, *WEB_GRADIO, UI[-1]]

# From the ground up. A module may import those before it and none after, so there are no circles.
FLOORS = {
    1: ["errors", "config", "types", "versions", "progress"],
    2: ["preference", "memory", "json_bounds", "packing", "kernels", "attention", "modeling", "chat"],
    3: [
        *("footprint", "placement", "checkpoint", "download", "loading", "plan", "watchdog", "forward"),
        *("scoring", "slot", "verification", "quantizing", "ranking", "batch_parquet", "batch_files", "batch"),
    ],
    4: [
        f"recipe.{name}"
        for name in (
            *(
                "loss",
                "merge",
                "curves",
                "pairs",
                "base",
                "storage",
                "rewardbench",
                "results",
                "evaluation",
                "evaluation_report",
            ),
            *("annotation", "annotation_config", "annotation_report", "judgement_log", "judge", "annotating"),
            *("drift", "dataset", "lora", "training_config", "training"),
        )
    ],
    5: SERVED,
    6: ["cli_options", "cli_annotate", "cli_recipe", "cli_engine", "cli", "__main__"],
}
ORDER = [module for floor in FLOORS.values() for module in floor]

TORCH_FREE = {
    "errors",
    "types",
    "config",
    "versions",
    "progress",
    "preference",
    "json_bounds",
    "slot",
    "watchdog",
    "verification",
    "ranking",
    "batch_parquet",
    "batch_files",
    "batch",
    "cli_options",
    "cli_annotate",
    "cli_recipe",
    "cli_engine",
    "cli",
    "recipe.drift",
    "recipe.curves",
    "recipe.pairs",
    "recipe.rewardbench",
    "recipe.results",
    "recipe.evaluation",
    "recipe.evaluation_report",
    *(f"recipe.{name}" for name in ("annotation", "annotation_config", "annotation_report", "annotating")),
    *("recipe.judge", "recipe.judgement_log"),
} | set(SERVED)
MAY_IMPORT_GRADIO = {f"ui.{name}" for name in UI_GRADIO} | set(WEB_GRADIO)
ONLY_WHERE_USED = {"bitsandbytes", "flash_attn", "datasets", "gguf", "matplotlib", "openai", "peft", "ray", "spaces"}


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts)


MODULES = {name_of(file): file for file in PACKAGE.rglob("*.py") if file.name != "__init__.py"}


def imported_names(node: ast.AST):
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield child.module
            yield from (f"{child.module}.{alias.name}" for alias in child.names)


def top_level_imports(file: Path):
    """What importing the module imports: not what stands in functions or under TYPE_CHECKING."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imported_names(node)


def test_every_module_has_its_floor():
    assert sorted(MODULES) == sorted(ORDER)


@pytest.mark.parametrize("module", ORDER)
def test_a_module_imports_only_those_before_it(module):
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    ours = {name.removeprefix("inform_demo.") for name in imported_names(tree) if name.startswith("inform_demo.")}
    used = ours & set(ORDER)
    too_late = {name for name in used if ORDER.index(name) >= ORDER.index(module)}
    assert not too_late, f"{module} imports {sorted(too_late)}, which stand after it"


@pytest.mark.parametrize("module", ORDER)
def test_gradio_stays_in_its_rooms(module):
    uses_gradio = any(name.split(".")[0] == "gradio" for name in imported_names(ast.parse(MODULES[module].read_text())))
    assert uses_gradio <= (module in MAY_IMPORT_GRADIO)


@pytest.mark.parametrize("module", ORDER)
def test_optional_packages_are_imported_where_they_are_used(module):
    at_the_top = {name.split(".")[0] for name in top_level_imports(MODULES[module])}
    assert not at_the_top & ONLY_WHERE_USED


@pytest.mark.parametrize("module", ["", *sorted(TORCH_FREE)])
def test_importing_it_imports_no_torch(module):
    target = f"inform_demo.{module}".rstrip(".")
    code = f"import sys, {target}; print(sorted({{'torch', 'transformers'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ORDER)
def test_every_module_opens_with_a_docstring(module):
    docstring = ast.get_docstring(ast.parse(MODULES[module].read_text(encoding="utf-8")))
    assert docstring
    assert len(docstring) > 30


@pytest.mark.parametrize("file", [*MODULES.values(), ROOT / "app.py"], ids=lambda file: file.name)
def test_files_stay_small(file):
    n_lines = len(file.read_text(encoding="utf-8").splitlines())
    assert n_lines <= (40 if file.name == "app.py" else 310)
