# The server in a container, for hosts that start their MCP servers that way. BASE is any Debian-like image with Python 3.11+:
#   docker build --build-arg BASE=python:3.12-slim -t astro-mcp .
# The sandbox needs the engine's socket: docker run -i -v /var/run/docker.sock:/var/run/docker.sock -v "$PWD:/workspace" astro-mcp
ARG BASE
FROM ${BASE}
WORKDIR /opt/astro-mcp
COPY pyproject.toml hatch_build.py README.md LICENSE requirements.txt ./
COPY src src
COPY tools tools
COPY resources resources
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/python -m pip install --no-cache-dir --no-deps --require-hashes -r requirements.txt \
    && /opt/venv/bin/python -m pip install --no-cache-dir --no-deps .
ENV ASTRO_MCP_HOME=/data
RUN install -d -m 0700 /data
VOLUME /data
WORKDIR /workspace
ENTRYPOINT ["/opt/venv/bin/astro-mcp", "serve", "--in-process", "--root", "/workspace"]
