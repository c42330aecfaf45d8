# The inference server's image. Targets: `server` (default; the model is mounted), `server-with-model`, and `gpu`.
#
# Without a `# syntax=` line and with one base image, so that a build asks the registry for nothing else.
# Two folders may be laid into the context, and need not be there:
#   .uninlu/ca-certificates/*.crt   extra CA certificates (a company's proxy), for the build stages only
#   .uninlu/model/                  the model folder of `server-with-model`

FROM debian:trixie-slim AS base
# The wildcard in the first part of the path lets the folder be absent.
COPY .uninlu*/ca-certificates/*.crt /usr/local/share/ca-certificates/
# One certificate a file: Java's trust store takes only the first one of a bundle.
RUN mkdir -p /usr/local/share/ca-certificates && cd /usr/local/share/ca-certificates \
 && for bundle in *.crt; do \
      [ -e "$bundle" ] || continue; \
      awk -v name="${bundle%.crt}" '/BEGIN CERTIFICATE/ { number++ } number { print > (name "-" number ".crt") }' "$bundle"; \
      rm "$bundle"; \
    done
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
    CARGO_HTTP_CAINFO=/etc/ssl/certs/ca-certificates.crt

# Changes only with server/libtorch: the server's sources come later, so that they never fetch it again.
FROM base AS libtorch
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends maven python3-pip unzip && rm -rf /var/lib/apt/lists/*
COPY server/libtorch server/libtorch-headers server/libtorch-wheels.txt /build/
RUN --mount=type=cache,target=/root/.m2 /build/libtorch /opt/libtorch

FROM base AS build
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends g++ make cargo rustc python3-pip unzip && rm -rf /var/lib/apt/lists/*
ENV LIBTORCH_CXX11_ABI=1
WORKDIR /build

FROM build AS root
COPY --from=libtorch /opt/libtorch /opt/libtorch
# The manifests of the tool and its crates are there because the workspace names them; their sources are not.
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY server server
RUN --mount=type=cache,target=/root/.cargo/registry --mount=type=cache,target=/build/target \
    LIBTORCH=/opt/libtorch server/image /root-of-image

# With CUDA libtorch has 4 GB: in a cache, each layer would hold them once more.
FROM build AS root-cuda
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY server server
RUN --mount=type=cache,target=/root/.cargo/registry --mount=type=cache,id=target-cuda,target=/build/target \
    --mount=type=cache,id=libtorch-cuda,target=/cache \
    LIBTORCH=$(UNINLU_CACHE=/cache server/libtorch --cuda) server/image /root-of-image

# Without a root of its own: the targets below lay theirs over it.
FROM scratch AS runtime
# The last four are read when the libraries are loaded: see LIBRARY_VARIABLES in server/src/cli.rs.
ENV LD_LIBRARY_PATH=/usr/local/lib OMP_WAIT_POLICY=PASSIVE OPENBLAS_NUM_THREADS=1 ONEDNN_PRIMITIVE_CACHE_CAPACITY=64 \
    LRU_CACHE_CAPACITY=64
# The hot settings that this server knows: a stack that writes another one is refused before anything is deployed.
LABEL dev.uninlu.settings="max-length batch-tokens max-wait max-work max-time log-level"
USER 1001:1001
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["/usr/local/bin/uninlu-server", "health"]
ENTRYPOINT ["/usr/local/bin/uninlu-server"]

FROM runtime AS gpu
# Where NVIDIA's container runtime mounts the driver, and what it mounts of it.
ENV LD_LIBRARY_PATH=/usr/local/lib:/usr/lib/x86_64-linux-gnu:/usr/lib64 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=root-cuda /root-of-image/ /
ARG GIT_COMMIT=unknown VERSION=unknown
ENV GIT_COMMIT=$GIT_COMMIT
LABEL org.opencontainers.image.title=uninlu-server org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.revision=$GIT_COMMIT org.opencontainers.image.version=$VERSION

# The labels come last: another commit must build nothing again.
FROM runtime AS server-with-model
COPY --from=root /root-of-image/ /
COPY .uninlu/model/ /app/model/
ARG GIT_COMMIT=unknown VERSION=unknown
ENV GIT_COMMIT=$GIT_COMMIT
LABEL org.opencontainers.image.title=uninlu-server org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.revision=$GIT_COMMIT org.opencontainers.image.version=$VERSION

# What a plain `docker build .` makes, since it is the last stage.
FROM runtime AS server
COPY --from=root /root-of-image/ /
ARG GIT_COMMIT=unknown VERSION=unknown
ENV GIT_COMMIT=$GIT_COMMIT
LABEL org.opencontainers.image.title=uninlu-server org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.revision=$GIT_COMMIT org.opencontainers.image.version=$VERSION
