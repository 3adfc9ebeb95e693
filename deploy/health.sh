#!/bin/bash
# Ends with 0 while the server in this container answers GET /health with 200. It needs no program that the image does not have.
port="${SYMBOLON_LISTEN##*:}"
exec 3<>"/dev/tcp/127.0.0.1/${port:-8080}" || exit 1
printf 'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r -t 4 _ status _ <&3
[ "$status" = 200 ]
