# SPDX-License-Identifier: GPL-2.0-or-later
"""The honest client: a request every 50 ms all the while, every failure counted; on SIGTERM one JSON object tells.

In turn over IPv4 and IPv6: a fresh HTTP connection every time, now and then a request on a connection that stays
open, now and then a datagram.  Retransmitted SYNs are read from the kernel (TCP_INFO), so that a lost packet shows
without any stop-watch.
"""
import argparse
import asyncio
import json
import signal
import socket
import struct
import time

TOTAL_RETRANS = 100             # offset in struct tcp_info


class Client:
    def __init__(self, options):
        self.options = options
        self.requests = 0
        self.failed = []
        self.syn_retransmits = 0
        self.slowest = 0.0
        self.kept = {}

    def local(self, address):
        """The source to send from, where one of that family was given."""
        return next(((s, 0) for s in self.options.source if (":" in s) == (":" in address)), None)

    async def open(self, address, port):
        reader, writer = await asyncio.open_connection(address, port, local_addr=self.local(address))
        info = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
        self.syn_retransmits += struct.unpack_from("I", info, TOTAL_RETRANS)[0]
        return reader, writer

    async def fresh(self, address):
        reader, writer = await self.open(address, self.options.port)
        try:
            writer.write(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            if not (await reader.read(4096)).startswith(b"HTTP/1.1 200"):
                raise OSError("a wrong answer")
        finally:
            writer.close()

    async def keep(self, address):
        async with self.lock:
            if address not in self.kept:
                self.kept[address] = await self.open(address, self.options.keep_port)
            reader, writer = self.kept[address]
            writer.write(b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise OSError("a wrong answer")
            await reader.readexactly(16)

    async def datagram(self, address):
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.setblocking(False)
            if self.local(address):
                s.bind(self.local(address))
            s.connect((address, self.options.udp_port))
            await loop.sock_sendall(s, b"question")
            if await loop.sock_recv(s, 2048) != b"answer:question":
                raise OSError("a wrong answer")

    async def one(self, what, address):
        started = time.monotonic()
        self.requests += 1
        try:
            await asyncio.wait_for(what(address), self.options.patience)
        except Exception as error:      # whatever it is, a client was not served
            self.failed.append({"at": time.time(), "what": what.__name__, "address": address, "error": repr(error)})
        self.slowest = max(self.slowest, time.monotonic() - started)

    async def run(self):
        self.lock = asyncio.Lock()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        kinds = [self.fresh, self.fresh, self.keep, self.fresh] + ([self.datagram] if self.options.udp_port else [])
        tasks, turn, due = set(), 0, time.monotonic()
        for address in self.options.address:    # the first of each kind before anything else happens
            for kind in dict.fromkeys(kinds):
                await self.one(kind, address)
        print("ready", flush=True)
        while not stop.is_set():
            due = max(due + self.options.every, time.monotonic())
            addresses = self.options.address
            task = asyncio.create_task(self.one(kinds[turn % len(kinds)],
                                                addresses[turn // len(kinds) % len(addresses)]))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            turn += 1
            try:
                await asyncio.wait_for(stop.wait(), max(0.0, due - time.monotonic()))
            except asyncio.TimeoutError:
                pass
        if tasks:
            await asyncio.wait(tasks)
        print(json.dumps({"requests": self.requests, "failed": self.failed, "syn_retransmits": self.syn_retransmits,
                          "slowest_ms": round(self.slowest * 1000)}), flush=True)


parser = argparse.ArgumentParser()
parser.add_argument("--address", action="append")
parser.add_argument("--source", action="append", default=[], help="an address of ours to send from; one a family")
parser.add_argument("--port", type=int, default=80)
parser.add_argument("--keep-port", type=int, default=8080)
parser.add_argument("--udp-port", type=int, default=53, help="0: none")
parser.add_argument("--every", type=float, default=0.05)
parser.add_argument("--patience", type=float, default=3.0)
options = parser.parse_args()
options.address = options.address or ["10.77.0.1", "2001:db8:77::1"]
asyncio.run(Client(options).run())
