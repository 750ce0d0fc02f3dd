# The page over CUDA. The weights of a large model are mounted, never copied in.
#   docker build -t inform-demo . && docker run --gpus all -p 127.0.0.1:7860:7860 inform-demo
# The digest is what makes it the same image tomorrow; with a newer tag, take that tag's digest.
FROM nvidia/cuda:12.9.1-runtime-ubuntu24.04@sha256:1287141d283b8f06f45681b56a48a85791398c615888b1f96bfb9fc981392d98

ENV DEBIAN_FRONTEND=noninteractive \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

# No versions for apt: Ubuntu keeps only the newest of each, and a pinned one breaks the build with the next security fix.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 inform \
    && mkdir -p /srv/inform /models \
    && chown inform /srv/inform /models

USER 10001
WORKDIR /srv/inform

COPY --chown=inform requirements.txt constraints.txt ./
RUN python3 -m venv /srv/inform/.venv && .venv/bin/pip install -r requirements.txt -c constraints.txt

COPY --chown=inform app.py ./
COPY --chown=inform inform_demo ./inform_demo

ENV INFORM_HOST=0.0.0.0 \
    INFORM_PORT=7860 \
    INFORM_LOG_FORMAT=json \
    HF_HOME=/models/huggingface
VOLUME ["/models"]
EXPOSE 7860

# Alive, not ready: 70B may load for many minutes. /readyz is for whoever sends visitors here.
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --retries=3 \
    CMD [".venv/bin/python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]

STOPSIGNAL SIGTERM
ENTRYPOINT [".venv/bin/python", "app.py"]
