# SPDX-License-Identifier: GPL-2.0-or-later
"""One virtual machine in plain emulation, and the wire between it and two hosts in network namespaces of their own.

    attacker 203.0.113.66 (behind 10.77.0.254) --+
                                                 br0 -- tap0 -- the machine: 10.77.0.1, 10.77.0.2, 2001:db8:77::1
    client   198.51.100.20 (behind 10.77.0.253) -+

qemu runs inside the switch's namespace; nothing of it touches the host's own network. What the machine writes goes to a
copy of the disk in the run's folder, and is gone with it.
"""
import base64
import os
import socket
import subprocess
import time

from lab import Host, Namespace, stop_process

# Self-tests and watchdogs that an emulated processor only loses time with.
SAVING = ["mitigations=off", "cryptomgr.notests", "audit=0", "nowatchdog", "tsc=reliable", "no_timer_check",
          "systemd.show_status=no"]
ATTACKER, CLIENT, MACHINE = "203.0.113.66", "198.51.100.20", "10.77.0.1"


class Wire:
    """The namespaces."""

    def __init__(self):
        prefix = f"pk-vm-{os.getpid()}"
        self.namespaces = []
        try:
            self.switch = self._add(Namespace, f"{prefix}-switch")
            self.attacker = self._add(Host, f"{prefix}-attacker")
            self.client = self._add(Host, f"{prefix}-client")
            self.switch.sysctl(net__ipv6__conf__default__disable_ipv6=1, net__ipv6__conf__all__disable_ipv6=1)
            self.switch.batch("link add br0 type bridge forward_delay 0 mcast_snooping 0",
                              f"link add at0 type veth peer name eth0 netns {self.attacker.name}",
                              f"link add cl0 type veth peer name eth0 netns {self.client.name}",
                              "tuntap add dev tap0 mode tap",
                              *(f"link set {port} master br0" for port in ("at0", "cl0", "tap0")),
                              *(f"link set {port} up" for port in ("br0", "at0", "cl0", "tap0")))
            for host, own, gateway in ((self.attacker, ATTACKER, "10.77.0.254"), (self.client, CLIENT, "10.77.0.253")):
                host.offloads_off("eth0")
                host.batch("link set lo up", "link set eth0 up", f"addr add {gateway}/32 dev eth0",
                           f"addr add {own}/32 dev eth0", f"route add 10.77.0.0/24 dev eth0 src {own}")
        except BaseException:
            self.close()
            raise

    def _add(self, kind, name):
        ns = kind(name)
        self.namespaces.append(ns)
        return ns

    def close(self):
        for ns in reversed(self.namespaces):
            ns.close()
        self.namespaces = []


class Answer:
    def __init__(self, command, status, out):
        self.command, self.status, self.out = command, status, out

    def __str__(self):
        return f"$ {self.command}\n[exit {self.status}]\n{self.out}"


class Machine:
    """qemu, and the agent inside."""

    def __init__(self, wire, image, packages, folder, clock=None):
        """clock: what the hardware clock says at its start, as 2036-07-01T00:00:00; else what this host's does."""
        disk = os.path.join(folder, "root.ext4")
        if not os.path.exists(disk):
            subprocess.run(["cp", "--sparse=always", image.disk, disk], check=True)
        agent = os.path.join(folder, "agent.sock")
        self.console, self._monitor_path = os.path.join(folder, "console.log"), os.path.join(folder, "monitor.sock")
        self.boot_id, self._pending, self._number = None, b"", 0
        kernel_line = " ".join(["root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet loglevel=4", *SAVING])
        self.process = wire.switch.popen(
            "qemu-system-x86_64", "-accel", "tcg", "-cpu", "qemu64,-svm", "-smp", "1", "-m", "512", "-nodefaults",
            "-display", "none", "-serial", f"file:{self.console}",
            "-kernel", image.kernel, "-initrd", image.initrd, "-append", kernel_line,
            "-drive", f"file={disk},if=virtio,format=raw,cache=unsafe",
            *(["-rtc", f"base={clock}"] if clock else []),
            "-drive", f"file={packages},if=virtio,format=raw,snapshot=on",
            "-netdev", "tap,id=n0,ifname=tap0,script=no,downscript=no", "-device", "virtio-net-pci,netdev=n0,romfile=",
            "-chardev", f"socket,id=agent,path={agent},server=on,wait=off", "-device", "virtio-serial",
            "-device", "virtserialport,chardev=agent,name=agent", "-device", "virtio-rng-pci",
            "-monitor", f"unix:{self._monitor_path},server=on,wait=off",
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": folder})
        self._socket = self._connect(agent)

    def _connect(self, path):
        end = time.monotonic() + 15
        while True:
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                s.connect(path)
                return s
            except OSError:
                s.close()
                if self.process.poll() is not None:
                    raise RuntimeError(f"qemu did not start: {self.process.stderr.read()}") from None
                if time.monotonic() > end:
                    raise TimeoutError("qemu does not open its sockets") from None
                time.sleep(0.1)

    def _line(self, deadline):
        while b"\n" not in self._pending:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the machine does not answer")
            self._socket.settimeout(left)
            data = self._socket.recv(65536)
            if not data:
                raise RuntimeError("qemu is gone")
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode(errors="replace")

    def wait_boot(self, timeout=240):
        """Until the agent of another boot than the last one greets; then until systemd is through."""
        deadline = time.monotonic() + timeout
        while True:
            words = self._line(deadline).split()
            if len(words) == 2 and words[0] == "hello" and words[1] != self.boot_id:
                break
        self.boot_id = words[1]
        return self.run("systemctl is-system-running --wait", timeout=deadline - time.monotonic()).out

    def run(self, command, timeout=60):
        """One shell command as root."""
        self._number += 1
        self._socket.settimeout(timeout)
        self._socket.sendall(f"{self._number} {base64.b64encode(command.encode()).decode()}\n".encode())
        deadline = time.monotonic() + timeout
        while True:
            words = self._line(deadline).split(" ")
            if words[0] == str(self._number):
                out = base64.b64decode(words[2]).decode(errors="replace").rstrip("\n")
                return Answer(command, int(words[1]), out)

    def reboot(self):
        """As an admin does it."""
        self._socket.sendall(b"0 " + base64.b64encode(b"systemctl --no-block reboot") + b"\n")

    def power_off(self):
        """As an admin does it; ends this object."""
        self._socket.sendall(b"0 " + base64.b64encode(b"systemctl --no-block poweroff") + b"\n")
        self.process.wait(180)
        self.close()

    def power_cut(self):
        """As a fuse does it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(5)
            s.connect(self._monitor_path)
            # It reads a byte at a time: hung up on too early, it would forget the rest.
            s.sendall(b"system_reset\n")
            heard = b""
            while heard.count(b"(qemu)") < 2:
                heard += s.recv(4096)

    def close(self):
        self._socket.close()
        stop_process(self.process, 5.0)
