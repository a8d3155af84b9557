# One image for every process of the hub; the command says which.
FROM python:3.12-slim AS build
WORKDIR /app
COPY requirements.lock requirements-installer.lock ./
RUN python -m venv /app/.venv \
 && pip install --no-cache-dir --require-hashes --target /tmp/installer -r requirements-installer.lock \
 && /tmp/installer/bin/uv pip install --no-cache --compile-bytecode --python /app/.venv/bin/python \
    --require-hashes -r requirements.lock

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /app hub && install -d -o hub -g hub -m 0700 /data
WORKDIR /app
COPY --from=build /app/.venv .venv
COPY manage.py ./
COPY hub hub
COPY integrations integrations
COPY webhooks webhooks
COPY templates templates
COPY static static
ENV PATH=/app/.venv/bin:$PATH HUB_HOME=/data HUB_HOST=0.0.0.0 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER hub
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD python -c \
 "import urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:8000/healthz', headers={'Host': 'localhost'}), timeout=4)"
# By itself the whole hub on SQLite; compose.yaml runs the processes apart.
CMD ["python", "-m", "hub.supervisor"]
