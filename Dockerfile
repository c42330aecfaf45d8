# The inference server's image. Targets: `server` (default; the model is mounted) and `server-with-model`.
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
COPY server/libtorch /build/libtorch
RUN --mount=type=cache,target=/root/.m2 /build/libtorch /opt/libtorch

FROM base AS build
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends g++ cargo rustc && rm -rf /var/lib/apt/lists/*
COPY --from=libtorch /opt/libtorch /opt/libtorch
ENV LIBTORCH=/opt/libtorch LIBTORCH_CXX11_ABI=1 LD_LIBRARY_PATH=/opt/libtorch/lib
WORKDIR /build
# The tool's manifest is there because the workspace is declared in it; its sources are not.
COPY Cargo.toml Cargo.lock ./
COPY server server
RUN --mount=type=cache,target=/root/.cargo/registry --mount=type=cache,target=/build/target \
    cargo build --locked --release -p uninlu-server && cp target/release/uninlu-server /usr/local/bin/

# The binary with exactly the libraries that the dynamic linker finds for it: no shell, no package manager.
FROM build AS root
RUN mkdir -p /root-of-image/usr/local/bin /root-of-image/usr/local/lib /root-of-image/lib64 /root-of-image/etc /root-of-image/app/model \
 && cp /usr/local/bin/uninlu-server /root-of-image/usr/local/bin/ \
 && ldd /usr/local/bin/uninlu-server | grep -o '/[^ ]*' | sort -u | while read -r library; do \
      case "$library" in \
        */ld-linux*) cp -L "$library" /root-of-image/lib64/ ;; \
        *) cp -L "$library" /root-of-image/usr/local/lib/ ;; \
      esac; \
    done \
 && strip --strip-unneeded /root-of-image/usr/local/lib/* \
 && echo 'uninlu:x:1001:1001::/:/sbin/nologin' >/root-of-image/etc/passwd \
 && echo 'uninlu:x:1001:' >/root-of-image/etc/group \
 && mkdir -m 1777 /root-of-image/tmp

FROM scratch AS runtime
COPY --from=root /root-of-image/ /
# The last three are read when the libraries are loaded: see THREAD_VARIABLES in server/src/cli.rs.
ENV LD_LIBRARY_PATH=/usr/local/lib OMP_WAIT_POLICY=PASSIVE OPENBLAS_NUM_THREADS=1 MALLOC_ARENA_MAX=2
USER 1001:1001
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["/usr/local/bin/uninlu-server", "health"]
ENTRYPOINT ["/usr/local/bin/uninlu-server"]

# The labels come last: another commit must build nothing again.
FROM runtime AS server-with-model
COPY .uninlu/model/ /app/model/
ARG GIT_COMMIT=unknown VERSION=unknown
ENV GIT_COMMIT=$GIT_COMMIT
LABEL org.opencontainers.image.title=uninlu-server org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.revision=$GIT_COMMIT org.opencontainers.image.version=$VERSION

# What a plain `docker build .` makes, since it is the last stage.
FROM runtime AS server
ARG GIT_COMMIT=unknown VERSION=unknown
ENV GIT_COMMIT=$GIT_COMMIT
LABEL org.opencontainers.image.title=uninlu-server org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.revision=$GIT_COMMIT org.opencontainers.image.version=$VERSION
