# The image of every role of the mesh: one binary. `docker build --build-arg BUILD_COMMIT=$(git rev-parse --short=12 HEAD) -t levqor .`
# docs/DEPLOY.md says which of these steps have been run, and with what in place of the public base images.
# The version that rust-toolchain.toml names.
ARG RUST_IMAGE=rust:1.95.0-slim-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

# --- the tools: the same in every build ---
FROM ${RUST_IMAGE} AS tools
ENV CARGO_TERM_COLOR=never
WORKDIR /build
# Python runs .ci/sbom. No version is named, because Debian's mirrors keep only the newest.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*
RUN cargo install cargo-chef --locked --version 0.1.77

# --- the recipe: changes only with a manifest or Cargo.lock ---
FROM tools AS recipe
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

# --- the dependencies: a layer of its own, built again only with the recipe; then the program ---
FROM tools AS build
COPY --from=recipe /build/recipe.json recipe.json
RUN cargo chef cook --release --locked --bin levqor --recipe-path recipe.json
COPY . .
# There is no repository here, so the commit comes from outside (build.rs).
ARG BUILD_COMMIT=
RUN BUILD_COMMIT="${BUILD_COMMIT}" cargo build --release --locked --bin levqor \
    && mkdir -p /image/usr/local/bin /image/usr/share/doc/levqor /image/var/lib/levqor/files \
    && cp target/release/levqor /image/usr/local/bin/ \
    # Scanners of images read it as the list of the crates in the binary.
    && python3 .ci/sbom >/image/usr/share/doc/levqor/sbom.cdx.json \
    && chown -R 65532:65532 /image/var/lib/levqor

# --- the image: libc, certificates of authorities (without them no HTTP client starts), and the binary ---
FROM ${RUNTIME_IMAGE}
# The user is `nonroot`. Only the folder of uploaded files belongs to it; nothing else in the image has to be writable.
COPY --from=build /image/ /
USER 65532:65532
WORKDIR /
# One port of each kind: REST, gRPC, metrics.
EXPOSE 8080 50051 9464
# In a container, 127.0.0.1 is reached by nobody.
ENV LEVQOR_HTTP_ADDR=0.0.0.0:8080 \
    LEVQOR_GRPC_ADDR=0.0.0.0:50051 \
    LEVQOR_METRICS_ADDR=0.0.0.0:9464 \
    LEVQOR_LOG_FORMAT=json
ENTRYPOINT ["/usr/local/bin/levqor"]
# Which role, the container says: `serve billing`.
CMD ["--help"]
# What is healthy depends on the role: docker-compose.yml has `levqor health <role>`, k8s/ has probes.
HEALTHCHECK NONE
