# SPDX-License-Identifier: GPL-2.0-or-later
"""Lists as long as they may be, and one entry longer."""
import re

from lab import wait_until

ALLOW_MAX = 65536


def hosts4(first):
    return [f"{first}.{64 + n // 65536}.{n // 256 % 256}.{n % 256}" for n in range(ALLOW_MAX)]


def hosts6():
    """As long as an address can be written: the file must have room for all of them."""
    return [f"2001:0db8:1111:2222:3333:4444:{0x1000 + n // 65536:04x}:{n % 65536:04x}/128" for n in range(ALLOW_MAX)]


def allowed_in_kernel(daemon):
    text = daemon.host.run("nft", "list", "set", "inet", "picket", "allow4").stdout
    text += daemon.host.run("nft", "list", "set", "inet", "picket", "allow6").stdout
    return re.findall(r"[\d.]{7,}|[\da-f:]{12,}", text)


def test_the_longest_allow_list(lab, picket):
    """Taken, replaced by another as long, and gone: in steps, so that the sentry is never away for long; the kernel's
    sets have no room for two of them at once.  One entry more changes nothing."""
    daemon = picket("", keep_on_stop=False)
    sentry = daemon.sentry()

    def load(entries, expect=0):
        with open(daemon.allow_file, "w") as f:
            f.writelines(f"{entry}\n" for entry in entries)
        assert daemon.ctl("reload", check=False, timeout=60).code == expect

    def wait_for(count, some):
        wait_until(lambda: len(allowed_in_kernel(daemon)) == count, 60.0, f"the kernel has {count}", every=1.0)
        assert not some or some in allowed_in_kernel(daemon)
        assert daemon.ctl("status").one["counts"]["allow"] == count
    for entries, some in ((hosts4(100), "100.64.255.255"), (hosts4(101), "101.64.0.0"), (hosts6(), None), ([], None),
                          (hosts4(100), "100.64.0.1")):
        load(entries)
        wait_for(len(entries), some)
    load(hosts4(100) + ["192.0.2.1"], expect=1)
    assert "(65537), expected at most 65536" in daemon.log_text()
    assert daemon.ctl("allow", "check", "100.64.255.255").code == 0
    refused = daemon.ctl("allow", "add", "192.0.2.1", check=False)
    assert refused.code == 1 and "full" in refused.out + refused.err, refused.out + refused.err
    assert daemon.ctl("status").one["totals"]["allow_full"] >= 1
    assert daemon.sentry() == sentry and "has not moved" not in daemon.log_text()
