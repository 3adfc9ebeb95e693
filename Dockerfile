# The server alone, on Debian, as a user of its own. Configuration, master key and database live in the volume.
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked --package symbolon --features plugins

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/symbolon --create-home symbolon
COPY --from=build /source/target/release/symbolon /usr/local/bin/symbolon
COPY deploy/health.sh /usr/local/bin/symbolon-health
USER symbolon
WORKDIR /var/lib/symbolon
VOLUME /var/lib/symbolon
# Inside the container every address is the container's own; what is published decides who reaches it.
ENV SYMBOLON_LISTEN=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
# Where [tls] is set here and not at a proxy, replace this check.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["symbolon-health"]
ENTRYPOINT ["symbolon", "-c", "/var/lib/symbolon/symbolon.toml"]
CMD ["serve"]
