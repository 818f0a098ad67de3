# SPDX-License-Identifier: GPL-2.0-or-later
"""Honest hosts that scan for somebody else:  relays.py zombie ADDRESS | ftp PORT

zombie: an idle host as nmap -sI wants it: whatever it did not ask for it resets, with an IP id that counts its packets.
ftp: a server that still honours PORT to anybody's address (RFC 959; RFC 2577 says why not), its data connections
from port 20.
"""
import re
import socket
import struct
import sys
import threading

FIN, SYN, RST, ACK = 1, 2, 4, 16


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def reset_for(packet, ip_id):
    """The whole IPv4 packet that answers a TCP packet nobody asked for, or None."""
    header = (packet[0] & 15) * 4
    sport, dport, seq, ack, _, flags = struct.unpack_from("!HHIIBB", packet, header)
    if flags & RST:
        return None
    answer = (ack, 0, 0x50, RST) if flags & ACK else (0, seq + 1 & 0xffffffff, 0x50, RST | ACK)
    src, dst = packet[16:20], packet[12:16]
    body = struct.pack("!HHIIBBHHH", dport, sport, *answer, 0, 0, 0)
    body = body[:16] + struct.pack("!H", checksum(src + dst + struct.pack("!BBH", 0, 6, 20) + body)) + body[18:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 40, ip_id, 0, 64, 6, 0) + src + dst
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def zombie(address):
    me, ip_id = socket.inet_aton(address), 1000
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x800))
    s.bind(("eth0", 0x800))
    print("ready", flush=True)
    while True:
        data, where = s.recvfrom(2048)
        if where[2] == 4 or data[23] != 6 or data[30:34] != me:
            continue
        answer = reset_for(data[14:], ip_id)
        if answer:
            ip_id = ip_id + 1 & 0xffff
            s.send(data[6:12] + data[0:6] + b"\x08\x00" + answer)


def data_connection(where):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.settimeout(1.0)
        try:
            s.bind(("", 20))
            s.connect(where)
            s.sendall(b"total 0\r\n")
            return True
        except OSError:
            return False


def serve(control):
    where = None
    with control, control.makefile("rw", newline="\r\n") as lines:
        def say(text):
            lines.write(text + "\r\n")
            lines.flush()
        say("220 ready")
        for line in lines:
            verb = line[:4].strip().upper()
            if verb == "PORT":
                n = [int(x) for x in re.findall(r"\d+", line)]
                where = (".".join(map(str, n[:4])), n[4] * 256 + n[5])
                say("200 PORT command successful")
            elif verb in ("LIST", "NLST"):
                say("150 opening data connection")
                say("226 done" if data_connection(where) else "425 no data connection")
            elif verb == "QUIT":
                return say("221 bye")
            else:
                say({"USER": "331 password, please", "PASS": "230 welcome"}.get(verb, "200 fine"))


def ftp(port):
    with socket.create_server(("", int(port))) as listener:
        print("ready", flush=True)
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


try:
    {"zombie": zombie, "ftp": ftp}[sys.argv[1]](*sys.argv[2:])
except KeyboardInterrupt:
    pass
