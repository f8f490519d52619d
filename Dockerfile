# Images of the three programs that run on a cluster, one target for each: zone-server, zone-operator, zone-directory.
#
#   docker build --target zone-operator --tag registry.example/darkages/zone-operator:0.1.0 .
#
# Nothing but the program is in them, which is linked statically, and the authorities that a store with TLS may be signed by. There is no shell.
# What has been built already takes the place of the stages `build` and `rootfs`: a folder with a root filesystem for each program. Then neither a
# toolchain nor the network is needed, and that is how `make images` and tests make theirs (e2e/cluster/images.sh):
#
#   buildah bud --build-context rootfs=FOLDER --target zone-operator --tag zone-operator:test .

FROM docker.io/library/rust:1.95.0-bookworm AS build
# The image's own, so that rustup gets nothing that rust-toolchain.toml asks for beside it.
ENV RUSTUP_TOOLCHAIN=1.95.0
ENV RUSTFLAGS="-C target-feature=+crt-static"
WORKDIR /src
COPY . .
# With --target, because otherwise the flag would reach procedural macros, which cannot be linked statically.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    triple=$(rustc -vV | sed -n 's/^host: //p') && \
    cargo build --locked --release --target "$triple" --bin zone-server --bin zone-operator --bin zone-directory && \
    for program in zone-server zone-operator zone-directory; do \
        install -D "target/$triple/release/$program" "/rootfs/$program/bin/$program" && \
        install -D --mode=444 --target-directory="/rootfs/$program/etc/ssl/certs" /etc/ssl/certs/ca-certificates.crt || exit 1; \
    done

FROM scratch AS rootfs
COPY --from=build /rootfs /

FROM scratch AS zone-server
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="zone-server" \
      org.opencontainers.image.description="One zone of a DarkAges world" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
COPY --from=rootfs /zone-server/ /
USER 65532:65532
ENTRYPOINT ["/bin/zone-server"]

FROM scratch AS zone-operator
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="zone-operator" \
      org.opencontainers.image.description="Splits, merges and moves the zones of DarkAges worlds, players on board" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
COPY --from=rootfs /zone-operator/ /
USER 65532:65532
ENTRYPOINT ["/bin/zone-operator"]

FROM scratch AS zone-directory
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="zone-directory" \
      org.opencontainers.image.description="Tells players of a DarkAges world where to play" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
COPY --from=rootfs /zone-directory/ /
USER 65532:65532
ENTRYPOINT ["/bin/zone-directory"]
