# SPDX-License-Identifier: GPL-2.0-or-later
"""Small real services for the laboratory:  services.py [tcp:PORT:banner|http|silent] [udp:PORT] [bind:ADDR] ...

Without arguments 22 (a banner, then silence as from a waiting sshd), 80, 777 and 8080 (HTTP, connections kept open
when asked) and 53/udp. Every address has a UDP socket of its own, so that an answer carries the address that was
asked.  Prints "ready".
"""
import asyncio
import socket
import subprocess
import sys

BODY = b"at your service\n"
DEFAULT = ["tcp:22:banner", "tcp:80:http", "tcp:777:http", "tcp:8080:http", "udp:53"]


async def banner(reader, writer):
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    while await reader.read(4096):
        pass


async def silent(reader, _writer):
    while await reader.read(4096):
        pass


async def http(reader, writer):
    while True:
        request = await reader.readuntil(b"\r\n\r\n")
        keep = b"keep-alive" in request.lower()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n%s"
                     % (len(BODY), b"keep-alive" if keep else b"close", BODY))
        await writer.drain()
        if not keep:
            return


def guarded(handler):
    async def handle(reader, writer):
        try:
            await handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass        # a visitor that leaves early
        finally:
            writer.close()
    return handle


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(b"answer:" + data[:512], addr)


def own_addresses():
    listing = subprocess.run(["ip", "-o", "addr", "show", "scope", "global"], capture_output=True, text=True).stdout
    return [line.split()[3].split("/")[0] for line in listing.splitlines()]


async def main(specs):
    loop = asyncio.get_running_loop()
    bind = [s[5:] for s in specs if s.startswith("bind:")]
    handlers = {"banner": banner, "http": http, "silent": silent}
    for spec in [s for s in specs if not s.startswith("bind:")] or DEFAULT:
        what, port, *kind = spec.split(":")
        if what == "tcp":
            for family, anywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                for address in [a for a in bind if (":" in a) == (family == socket.AF_INET6)] if bind else [anywhere]:
                    await asyncio.start_server(guarded(handlers[kind[0]]), address, int(port), family=family,
                                               backlog=1024)
        else:
            for address in bind or own_addresses():
                await loop.create_datagram_endpoint(Echo, local_addr=(address, int(port)))
    print("ready", flush=True)
    await asyncio.Event().wait()


try:
    asyncio.run(main(sys.argv[1:]))
except KeyboardInterrupt:
    pass
