# The server alone, on Debian, as a user of its own. Configuration, master key and database live in the volume.
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked --package symbolon

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/symbolon --create-home symbolon
COPY --from=build /source/target/release/symbolon /usr/local/bin/symbolon
USER symbolon
WORKDIR /var/lib/symbolon
VOLUME /var/lib/symbolon
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["symbolon", "-c", "/var/lib/symbolon/symbolon.toml"]
CMD ["serve"]
