# docker build -t mundap .
# To get the CPU build of torch, a fifth of the size, name the index that PyTorch publishes it on:
#   docker build --build-arg TORCH_INDEX_URL=... -t mundap .
FROM python:3.11-slim AS build
ARG TORCH_INDEX_URL=""
WORKDIR /app
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY index index
COPY server server
COPY eval eval
COPY web web
RUN pip install --constraint requirements.lock ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} torch \
 && pip install --constraint requirements.lock --editable '.[mcp,portal,postgres]'

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 mundap && install -d -o mundap /data
COPY --from=build /venv /venv
COPY --from=build /app /app
COPY source_docs /app/source_docs
WORKDIR /app
ENV PATH=/venv/bin:$PATH MUNDAP_HOST=0.0.0.0 MUNDAP_DATA_DIR=/data PYTHONUNBUFFERED=1
USER mundap
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz')"]
CMD ["mundap", "serve"]
