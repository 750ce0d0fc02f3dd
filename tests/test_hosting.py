"""What a Space and a container are told: the keys that exist, one version, and steps that lead to a page."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import httpx
import pytest
import yaml
from dockerfile_parse import DockerfileParser
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from inform_demo.config import ServeConfig
from inform_demo.web import stopping
from inform_demo.web.patience import MOST_CONNECTIONS
from inform_demo.web.uploads import MOST_HELD_BYTES
from tests.web.conftest import answer, ask

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

# https://huggingface.co/docs/hub/spaces-config-reference
SPACE_KEYS = {
    *("title", "emoji", "colorFrom", "colorTo", "sdk", "python_version", "sdk_version", "suggested_hardware"),
    *("suggested_storage", "app_file", "app_build_command", "app_port", "base_path", "fullWidth", "header"),
    *("short_description", "models", "datasets", "tags", "thumbnail", "pinned", "license", "hf_oauth"),
    *("hf_oauth_scopes", "hf_oauth_expiration_minutes", "hf_oauth_authorized_org", "disable_embedding"),
    *("startup_duration_timeout", "custom_headers", "preload_from_hub"),
}
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


def test_the_readme_begins_with_what_a_space_reads():
    assert README.startswith("---\n")
    card = yaml.safe_load(README.split("---\n")[1])
    assert card.keys() <= SPACE_KEYS
    assert {"title", "emoji", "sdk", "sdk_version", "app_file", "license"} <= card.keys()
    assert {card["colorFrom"], card["colorTo"]} <= COLOURS
    assert card["sdk"] == "gradio"
    assert (ROOT / card["app_file"]).is_file()
    assert len(card["short_description"]) <= 60
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    (gradio,) = [Requirement(line) for line in lines if line.startswith("gradio")]
    assert gradio.specifier.contains(card["sdk_version"])
    (python,) = re.findall(r'requires-python = "(.*)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert Requirement(f"python{python}").specifier.contains(card["python_version"])


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    parser = DockerfileParser(path=str(tmp_path_factory.mktemp("docker") / "Dockerfile"))
    parser.content = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    return [(step["instruction"], step["value"]) for step in parser.structure]


def values(steps, instruction):
    return [value for name, value in steps if name == instruction]


def test_the_image_is_pinned_runs_as_nobody_special_and_holds_no_weights(steps):
    (base,) = values(steps, "FROM")
    assert re.fullmatch(r"nvidia/cuda:\d+\.\d+\.\d+-runtime-ubuntu\d+\.\d+@sha256:[0-9a-f]{64}", base)
    names = [name for name, _ in steps]
    (user,) = values(steps, "USER")
    assert int(user) > 0  # by number: an orchestrator that asks for a user other than root cannot look names up
    assert any(f"--uid {user} " in run for run in values(steps, "RUN"))
    assert names.index("USER") < names.index("COPY")
    assert "ADD" not in names
    assert json.loads(*values(steps, "VOLUME")) == ["/models"]
    assert "/healthz" in values(steps, "HEALTHCHECK")[0]
    for run in values(steps, "RUN"):
        assert "sudo" not in run
        assert "curl" not in run
        if "apt-get install" in run:
            assert "--no-install-recommends" in run
            assert "rm -rf /var/lib/apt/lists" in run
    install = ".venv/bin/pip install -r requirements.txt -c constraints.txt"
    assert any(install in run for run in values(steps, "RUN"))


def requirements(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_the_image_holds_one_version_of_each_package_and_one_that_the_requirements_allow():
    pinned = {canonicalize_name(pin.name): pin.specifier for pin in requirements("constraints.txt")}
    assert all(re.fullmatch(r"==[\w.]+", str(specifier)) for specifier in pinned.values())
    for needed in requirements("requirements.txt"):
        (version,) = pinned[canonicalize_name(needed.name)]
        assert needed.specifier.contains(version.version), needed
        for name in metadata.requires(needed.name) or []:
            dependency = Requirement(name)
            if dependency.marker is None:
                assert canonicalize_name(dependency.name) in pinned, dependency


def test_the_images_versions_go_together():
    """Resolved, not installed: what the tests run with is taken as it is where it has the same version."""
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--retries", "1", "--timeout", "20"]
    command = [*pip, "-r", "requirements.txt", "-c", "constraints.txt"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode and "Retrying (Retry(" in done.stderr:
        pytest.skip("The package index cannot be reached.")
    assert done.returncode == 0, done.stderr


def test_what_torch_brings_for_cuda_has_one_version_too():
    """Two of these are exact in the requirements of torch and cuda-toolkit; the rest would be free within a range."""
    pinned = {canonicalize_name(pin.name) for pin in requirements("constraints.txt")}
    assert {"cuda-bindings", "cuda-pathfinder", "cuda-toolkit", "nvidia-nvjitlink", "triton"} <= pinned
    for name in (
        *("cublas", "cuda-nvrtc", "cuda-runtime", "cudnn-cu13", "cufft", "cufile", "curand", "cusolver"),
        *("cusparse", "cusparselt-cu13", "nvshmem-cu13", "nvtx"),
    ):
        assert f"nvidia-{name}" in pinned, name


def test_what_is_copied_is_let_into_the_build(steps):
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    sources = [source for value in values(steps, "COPY") for source in value.split()[1:-1]]
    assert sorted(f"!{source.removeprefix('./')}" for source in sources) == sorted(
        line for line in ignored if line.startswith("!")
    )


def settings_of(steps):
    pairs = re.findall(r"(\w+)=(\S+)", " ".join(values(steps, "ENV")))
    return {name: value for name, value in pairs if name.startswith("INFORM_")}


def test_the_images_settings_are_settings_and_safe(steps):
    config = ServeConfig.from_env(settings_of(steps))
    assert config.is_public
    assert config.rate_limit is None  # so the limit of a public page holds
    assert not config.mcp
    assert not config.metrics
    assert not config.log_texts


def test_the_services_are_closed_up_and_given_time_to_end():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["volumes"] == ["./models:/models"]
        sizes = dict(mount.split(":size=") for mount in service["tmpfs"])
        assert sizes.keys() == {"/tmp", "/home/inform"}  # noqa: S108 - of the container
        assert all(re.fullmatch(r"\d+[mg]", size) for size in sizes.values())
        # Room for the uploads that are let in, and those on their way meanwhile.
        assert int(sizes["/tmp"].rstrip("g")) * 2**30 > 1.5 * MOST_HELD_BYTES  # noqa: S108
        assert service["ulimits"]["nofile"] > 2 * MOST_CONNECTIONS
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        # What the server may take for its end, and five seconds for Gradio's own.
        ends_s = ServeConfig().shutdown_s + stopping._FAREWELL_S + stopping._FETCH_S + 5
        assert int(service["stop_grace_period"].rstrip("s")) > ends_s
        assert all(re.fullmatch(r"INFORM_[A-Z_]+", name) for name in service["environment"])


def test_the_service_of_the_documentation_is_given_time_and_connections():
    text = (ROOT / "docs" / "hosting.md").read_text(encoding="utf-8")
    (unit,) = re.findall(r"```ini\n(.*?)```", text, re.DOTALL)
    assert int(re.search(r"^LimitNOFILE=(\d+)$", unit, re.MULTILINE)[1]) > 2 * MOST_CONNECTIONS
    ends_s = ServeConfig().shutdown_s + stopping._FAREWELL_S + stopping._FETCH_S + 5
    assert int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[1]) > ends_s


@pytest.mark.slow
def test_what_the_image_copies_is_enough_to_serve_and_to_end_in_order(steps, tmp_path):
    """The entry point and the health check, word for word, in a folder with the copied files and nothing else."""
    for value in values(steps, "COPY"):
        *sources, target = value.split()[1:]
        for source in sources:
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, tmp_path / (target if target != "./" else source))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    python = {".venv/bin/python": sys.executable}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INFORM_")}
    environment = {**environment, **settings_of(steps), "INFORM_PORT": port, "INFORM_HOST": "127.0.0.1"}
    environment |= {"PYTHONPATH": str(tmp_path), "INFORM_METRICS": "1", "HF_HUB_OFFLINE": "1"}
    entry = [python.get(word, word) for word in json.loads(*values(steps, "ENTRYPOINT"))]
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(entry, cwd=tmp_path, env=environment, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 240
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/readyz").raise_for_status()
                break
            except httpx.HTTPError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.3)
        url = f"http://127.0.0.1:{port}/"
        assert "complete" in answer(url, ask(url))
        counted = dict(line.rsplit(" ", 1) for line in httpx.get(f"{url}metrics").text.splitlines())
        assert float(counted["inform_tokens_total"]) > 0
        assert float(counted["inform_compute_seconds_sum"]) > 0
        assert float(counted["inform_compute_seconds_count"]) == 1
        check = json.loads(values(steps, "HEALTHCHECK")[0].partition("CMD ")[2])
        command = [python.get(word, word).replace(":7860/", f":{port}/") for word in check]
        assert subprocess.run(command, check=False).returncode == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()
    assert subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode != 0
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert any("Stopped" in line["message"] for line in lines)


@pytest.mark.parametrize("name", ["SECURITY.md", "docs/hosting.md", "Dockerfile", "compose.yaml"])
def test_every_test_and_setting_that_is_named_exists(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    tests = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    for test in re.findall(r"`(test_\w+)`", text):
        assert f"def {test}(" in tests, test
    for path in re.findall(r"`(tests/[\w/.]+)`", text):
        assert (ROOT / path).is_file(), path
    for variable in re.findall(r"INFORM_[A-Z_]+", text):
        assert f"`{variable}`" in README, variable
