# SPDX-License-Identifier: GPL-2.0-or-later
"""The virtual machine's disk: a Debian with its own kernel and systemd, from the mirror that apt is set up with.

The kernel may be another Debian's: that package alone, and what it needs of its own, is then taken from there.

Made without any loop mount (mmdebstrap into a folder, mke2fs -d) and kept below build/vm under a name derived from what
went into it, so that a second run takes it as it is. picket is not in it, only the libraries that its package needs.
"""
import hashlib
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
RECIPE = 3      # raise it when the building below changes
RELEASES = {"11": "bullseye", "12": "bookworm", "13": "trixie"}
KERNELS = {"5.10": "11", "6.1": "12", "6.12": "13"}     # and the Debian that each is of
RENAMED = {"libevent-core-2.1-7", "libpcap0.8"}         # in Debian 13 with 64 bits for times
PACKAGES = [
    "linux-image-cloud-amd64", "initramfs-tools", "zstd", "systemd-sysv", "udev", "kmod", "dbus", "libpam-systemd",
    "iproute2", "nftables", "openssh-server", "busybox", "netbase", "conntrack",
    "libnetfilter-queue1", "libmnl0", "libnftnl11", "libconfuse2", "libevent-core-2.1-7", "libjansson4", "libsystemd0",
    "libseccomp2", "libcap2", "libsqlite3-0", "libpcap0.8",
]
SIZE = "1200M"
UNDRIVEN = ["ata_generic", "ata_piix", "psmouse", "pcspkr", "i2c_piix4", "powernow_k8"]
FILES = {
    # Only what reaches the disk and the root file system: an emulated processor unpacks the rest of it for nothing.
    "etc/initramfs-tools/conf.d/vm": "MODULES=list\nCOMPRESS=zstd\n",
    "usr/share/initramfs-tools/modules.d/vm": "virtio_pci\nvirtio_blk\next4\n",
    "etc/fstab": "/dev/vda / ext4 defaults 0 1\nLABEL=packages /packages ext4 ro 0 0\n",
    "etc/hostname": "vm\n",
    "etc/hosts": "127.0.0.1 localhost vm\n::1 localhost\n",
    "etc/systemd/network/10-eth0.network": """[Match]
Name=eth0

[Network]
Address=10.77.0.1/24
Address=10.77.0.2/24
Address=2001:db8:77::1/64
Gateway=10.77.0.254
IPv6AcceptRA=no
LinkLocalAddressing=no

[Route]
Destination=198.51.100.0/24
Gateway=10.77.0.253
""",
    "etc/systemd/system/web.service": """[Unit]
Description=a real service on port 80
After=network.target

[Service]
ExecStart=/bin/busybox httpd -f -p 80 -h /srv
""",
    "srv/index.html": "at your service\n",
    "etc/systemd/system/echo.socket": "[Socket]\nListenStream=7777\nAccept=yes\n",
    "etc/systemd/system/echo@.service": "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n",
    "etc/modprobe.d/vm.conf": "".join(f"blacklist {name}\n" for name in UNDRIVEN),
    "etc/systemd/system.conf.d/vm.conf": "[Manager]\nDefaultTimeoutStartSec=180s\nDefaultTimeoutStopSec=60s\n",
}
ENABLED = ["agent.service", "web.service", "echo.socket"]
# What an emulated processor would spend half a minute on, and no test asks for.
MASKED = [
    "e2scrub_reap.service", "e2scrub_all.timer", "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer",
    "fstrim.timer", "systemd-networkd-wait-online.service", "getty@tty1.service", "serial-getty@ttyS0.service",
    "modprobe@fuse.service", "modprobe@configfs.service", "modprobe@dm_mod.service", "modprobe@drm.service",
    "modprobe@loop.service", "modprobe@efi_pstore.service", "dev-hugepages.mount", "dev-mqueue.mount",
    "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "systemd-pstore.service", "systemd-binfmt.service",
    "kmod-static-nodes.service",
]
WANTED_MODULES = ["nft_queue", "nft_compat", "xt_NFQUEUE", "nfnetlink_queue", "nft_tproxy", "nft_socket",
                  "nft_fib_inet", "nft_ct", "nft_limit", "nf_conntrack"]
# Of another Debian the kernel alone.
PINNED = """Package: *
Pin: release n={suite}*
Pin-Priority: 50

Package: linux-image-* linux-base
Pin: release n={suite}*
Pin-Priority: 995
"""
# No documentation, no other languages, nothing that is merely recommended; a disk that is lost is made again.
LEAN = ['--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Languages "none"',
        '--aptopt=Acquire::Check-Valid-Until "false"',
        "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--dpkgopt=force-unsafe-io"]


class Image:
    """Paths of a finished one."""

    def __init__(self, folder):
        self.disk, self.kernel, self.initrd, self.key = (os.path.join(folder, name)
                                                         for name in ("root.ext4", "vmlinuz", "initrd.img", "key"))


def mirror(suite):
    """That Debian from where apt on this machine has its own, in one-line style; no third-party archives."""
    form = "$(CREATED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)"
    done = subprocess.run(["apt-get", "indextargets", "--format", form], capture_output=True, text=True, check=True)
    lines = set()
    for row in done.stdout.splitlines():
        kind, uri, release, component = row.split(" ")
        own, dash, pocket = release.partition("-")
        if kind != "Packages" or component != "main" or own not in RELEASES.values():
            continue
        if pocket in ("", "updates", "security"):
            lines.add(f"deb {uri} {suite}{dash}{pocket} main")
    if not any(f" {suite} " in line for line in lines):
        lines.add(f"deb http://deb.debian.org/debian {suite} main")
    return sorted(lines)


def _packages(suite):
    return [f"{name}t64" if suite == "trixie" and name in RENAMED else name for name in PACKAGES]


def _sources(suite, kernels):
    """Of the Debian whose kernel is wanted the release itself, which does not change from day to day."""
    other = [line for line in mirror(kernels) if f" {kernels} " in line] if kernels != suite else []
    return mirror(suite) + other


def _fingerprint():
    whole = hashlib.sha256()
    whole.update(repr((RECIPE, PACKAGES, SIZE, FILES, ENABLED, MASKED, PINNED)).encode())
    for name in sorted(os.listdir(os.path.join(HERE, "guest"))):
        with open(os.path.join(HERE, "guest", name), "rb") as f:
            whole.update(f.read())
    return whole.hexdigest()[:12]


def _write(files, root):
    for name, text in files.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)


def _furnish(root):
    """Our own files, after the packages are in."""
    _write(FILES, root)
    shutil.copy(os.path.join(HERE, "guest", "agent"), os.path.join(root, "usr/local/sbin/agent"))
    os.chmod(os.path.join(root, "usr/local/sbin/agent"), 0o755)
    shutil.copy(os.path.join(HERE, "guest", "agent.service"), os.path.join(root, "etc/systemd/system/agent.service"))
    for folder in ("packages", "var/log/journal", "root/.ssh"):
        os.makedirs(os.path.join(root, folder), exist_ok=True)
    os.chmod(os.path.join(root, "root/.ssh"), 0o700)
    wants = os.path.join(root, "etc/systemd/system/multi-user.target.wants")
    os.makedirs(wants, exist_ok=True)
    for unit in ENABLED:
        os.symlink(f"/etc/systemd/system/{unit}", os.path.join(wants, unit))
    os.symlink("/lib/systemd/system/systemd-networkd.service", os.path.join(wants, "systemd-networkd.service"))
    for unit in MASKED:
        os.symlink("/dev/null", os.path.join(root, "etc/systemd/system", unit))
    for name in ("etc/resolv.conf", "etc/machine-id"):
        with open(os.path.join(root, name), "w") as f:
            f.write("")


def _check_modules(root):
    """picket's expressions must be in this kernel, or the machine would prove nothing."""
    there = {name.partition(".")[0] for _, _, names in os.walk(os.path.join(root, "lib/modules")) for name in names}
    missing = [name for name in WANTED_MODULES if name not in there]
    if missing:
        raise RuntimeError(f"Debian's kernel lacks {', '.join(missing)}")


def kernel_of(release):
    return next(kernel for kernel, of in KERNELS.items() if of == release)


def _fill(work, suite, kernels, log):
    """The disk, its kernel, and the key that opens it."""
    def tool(*argv):
        subprocess.run(argv, check=True, stdout=log, stderr=subprocess.STDOUT, timeout=1200)
    root, early = os.path.join(work, "root"), os.path.join(work, "early")
    # The kernel's package makes the initramfs when it is installed.
    _write({name: text for name, text in FILES.items() if "initramfs-tools" in name}, early)
    if kernels != suite:
        _write({"etc/apt/preferences.d/kernel": PINNED.format(suite=kernels)}, early)
    tool("unshare", "--mount", "mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory", *LEAN,
         f"--include={','.join(_packages(suite))}", f'--setup-hook=cp -r "{early}/." "$1"', suite, root,
         *_sources(suite, kernels))
    _check_modules(root)
    tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "vm", "-f", os.path.join(work, "key"))
    _furnish(root)
    shutil.copy(os.path.join(work, "key.pub"), os.path.join(root, "root/.ssh/authorized_keys"))
    for name in ("vmlinuz", "initrd.img"):
        shutil.copy(os.path.join(root, name), work)
    tool("mke2fs", "-q", "-F", "-t", "ext4", "-d", root, os.path.join(work, "root.ext4"), SIZE)
    shutil.rmtree(root)
    shutil.rmtree(early)


def build(cache, release, kernel, say):
    """The cached image, or a new one; returns an Image."""
    suite, kernels = RELEASES[release], RELEASES[KERNELS[kernel]]
    folder = os.path.join(cache, f"{suite}-{kernel}-{_fingerprint()}")
    if os.path.isdir(folder):
        return Image(folder)
    work = f"{folder}.new.{os.getpid()}"
    os.makedirs(work)
    say(f"building the machine's disk: Debian {release} with the kernel of {kernels}, once")
    try:
        with open(os.path.join(cache, "image.log"), "w") as log:
            _fill(work, suite, kernels, log)
        os.rename(work, folder)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return Image(folder)


def packages_disk(path, files):
    """A small disk that carries what is to be installed."""
    stage = f"{path}.d"
    shutil.rmtree(stage, ignore_errors=True)
    os.makedirs(stage)
    for file in files:
        shutil.copy(file, stage)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", "packages", "-d", stage, path, "32M"],
                   check=True, capture_output=True)
    shutil.rmtree(stage)
