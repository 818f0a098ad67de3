# SPDX-License-Identifier: GPL-2.0-or-later
"""A real browser, led by a hostile page to every trap by every means that a page has: its user is never banned.

Browsers refuse most of these ports (the "bad ports" of the Fetch standard), and WebRTC all below 1024; this holds a
proof (five families below 1024) to what they do today.
"""
import subprocess
import time

from conftest import needs
from lab import CLIENT4, PYTHON, VICTIM4, VICTIM6, stop_process
from test_everyday import Visitor

TRAPS = (1, 7, 9, 11, 13, 15, 17, 19, 23, 37, 42, 43, 77, 79, 87, 95, 101, 102, 103, 104, 109, 111, 115, 117, 119, 161,
         179, 427, 512, 513, 514, 526, 530, 531, 532, 540, 548, 554, 556, 563, 601, 1719, 1720, 1723, 2049, 3659, 4045,
         6566, 6665, 6666, 6667, 6668, 6669, 10080)
HOSTILE_PAGE = """
<html><body><script>
const hosts = ["%s", "[%s]"], ports = [%s];
for (const host of hosts) for (const port of ports) {
  const url = `http://${host}:${port}/x.png`;
  const link = document.createElement("link"); link.rel = "preconnect"; link.href = url;
  document.head.appendChild(link);
  const image = new Image(); image.src = url; setTimeout(() => { image.src = ""; }, 300);
  const abort = new AbortController();
  fetch(url, {mode: "no-cors", signal: abort.signal}).catch(() => {});
  setTimeout(() => abort.abort(), 50);
  try { const s = new WebSocket(`ws://${host}:${port}/`); setTimeout(() => s.close(), 50); } catch (e) {}
}
async function ice(batch) {
  const pc = new RTCPeerConnection(); pc.createDataChannel("x");
  const offer = await pc.createOffer(); await pc.setLocalDescription(offer);
  const other = new RTCPeerConnection(); await other.setRemoteDescription(offer);
  const answer = await other.createAnswer(); await other.setLocalDescription(answer);
  await pc.setRemoteDescription(answer);
  for (const port of batch) for (const host of ["%s", "%s"])
    pc.addIceCandidate({candidate: `candidate:1 1 tcp 1518280447 ${host} ${port} typ host tcptype passive`,
                        sdpMid: "0", sdpMLineIndex: 0}).catch(() => {});
  setTimeout(() => pc.close(), 700);
}
const low = [7, 9, 13, 23, 37, 79, 111, 119, 161, 179, 427, 513, 514, 548, 554, 1720, 1723, 2049, 6667, 10080];
for (const host of hosts) new Image().src = `http://${host}:85/`;
for (let n = 0; n < 3; n++) setTimeout(() => ice(low.concat(low.map(p => p + n))), 500 + 900 * n);
</script></body></html>
"""
SERVER = """
import http.server, sys
page = sys.stdin.buffer.read(int(sys.argv[1]))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(page)
        print("asked", flush=True)
    def log_message(self, *_):
        pass
print("ready", flush=True)
http.server.HTTPServer(("", 8000), Handler).serve_forever()
"""


@needs("chromium")
def test_a_hostile_page(own_town, tmp_path):
    town = own_town()
    visitor = Visitor(town)
    page = HOSTILE_PAGE % (VICTIM4[0], VICTIM6[0], ",".join(map(str, TRAPS)), VICTIM4[0], VICTIM6[0])
    site = visitor.host.popen(PYTHON, "-c", SERVER, len(page), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    site.stdin.write(page)
    site.stdin.flush()
    assert site.stdout.readline() == "ready\n"
    browser = visitor.host.popen("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                                 f"--user-data-dir={tmp_path}", "--disable-features=WebRtcHideLocalIpsWithMdns",
                                 f"http://{CLIENT4}:8000/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert site.stdout.readline() == "asked\n"
    time.sleep(14)
    stop_process(browser)
    stop_process(site)
    for address in (CLIENT4, "2001:db8:c11e::20"):
        told = town.daemon.ctl("explain", address, check=False)
        assert told.code == 0, "the page led it to a closed port at least"
        assert town.daemon.graded(address, ("ban", "block")) == []
        assert told.one["confirmed"] < 4.6, told.out
    visitor.still_fine()
