# One image for every process of the hub; the command says which.
# The build argument PYTHON_IMAGE names another base, for example a mirror of your own.
ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /app
COPY requirements.lock requirements-installer.lock ./
RUN python -m venv /app/.venv \
 && pip install --no-cache-dir --require-hashes --target /tmp/installer -r requirements-installer.lock \
 && /tmp/installer/bin/uv pip install --no-cache --compile-bytecode --python /app/.venv/bin/python \
    --require-hashes -r requirements.lock
COPY manage.py ./
COPY hub hub
COPY integrations integrations
COPY webhooks webhooks
COPY templates templates
COPY static static
# Style sheets lie in the image, so that web processes need no common folder. The key is for this step only.
RUN HUB_SECRET_KEY=only-to-collect-files HUB_HOME=/app/var HUB_STATIC_ROOT=/app/static-collected \
    .venv/bin/python manage.py collectstatic --noinput --verbosity 0 \
 && .venv/bin/python -m compileall -q hub integrations webhooks \
 && rm -rf /app/var

FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --user-group --home-dir /app hub && install -d -o hub -g hub -m 0700 /data
WORKDIR /app
# Root's, so that the process cannot change its own code.
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH DJANGO_SETTINGS_MODULE=hub.settings HUB_HOME=/data HUB_HOST=0.0.0.0 \
    HUB_STATIC_ROOT=/app/static-collected PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
VOLUME /data
EXPOSE 8000
# For the web process and the whole hub; compose.yaml and Kubernetes ask the others in their own way.
# By a name that the hub answers to: a list of allowed hosts need not hold localhost.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["python", "-c", \
 "import os, urllib.request as u; \
  host = os.environ.get('HUB_ALLOWED_HOSTS', '').split(',')[0].strip().lstrip('.*') or 'localhost'; \
  url = 'http://127.0.0.1:' + os.environ.get('PORT', '8000') + '/healthz'; \
  u.urlopen(u.Request(url, headers={'Host': host}), timeout=4)"]
# By itself the whole hub on SQLite; compose.yaml runs the processes apart.
CMD ["python", "-m", "hub.supervisor"]
