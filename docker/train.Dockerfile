# syntax=docker/dockerfile:1
# The training image: the same wheel with Keras and what else training needs. It is large.
# Build from the repository's root: docker build -f docker/train.Dockerfile -t myocast-train .
# Run: docker run --rm -v "$PWD:/data" -w /data myocast-train train --architecture stream_tcn --data sessions --out mine.keras

# Where a folder `wheelhouse` stands in the context, everything comes from there and no index is asked (docs/guides/deployment.md).
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN if [ -d wheelhouse ]; then mkdir -p /wheels && cp wheelhouse/myocast-*.whl /wheels; \
    else python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .; fi
RUN python -m venv /opt/myocast \
    && cd /wheels \
    && if [ -d /src/wheelhouse ]; then export PIP_NO_INDEX=1 PIP_FIND_LINKS=/src/wheelhouse; fi \
    && /opt/myocast/bin/pip install --no-cache-dir --constraint /src/constraints.txt "$(ls ./*.whl)[train]"

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home myocast
COPY --from=build /opt/myocast /opt/myocast
ENV PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    TF_CPP_MIN_LOG_LEVEL=2
USER myocast
WORKDIR /work
HEALTHCHECK NONE
ENTRYPOINT ["/opt/myocast/bin/myocast"]
CMD ["models"]
