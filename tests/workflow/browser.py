"""A real browser without a window or a network, driven over the pipe of Chromium's DevTools protocol.

https://chromedevtools.github.io/devtools-protocol: messages are JSON objects that end with a zero byte; it reads
them from file descriptor 3 and writes answers and events to 4. No library, because none comes without a browser or a
second driver of its own.
"""

import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next((path for path in map(shutil.which, NAMES) if path), None)
OPTIONS = [
    "--headless=new",
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no name resolves: offline
    "--proxy-server=127.0.0.1:9",  # and an address leads nowhere
    "--window-size=1400,1000",
    "--remote-debugging-pipe",
]
PATIENCE = 60.0  # seconds


class Browser:
    """One page. `requests` are the addresses that it has asked for, `complaints` the errors on its console."""

    def __enter__(self) -> "Browser":
        self._profile = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()

        def place() -> None:  # above 4 first, so that neither overwrites the other
            high_in, high_out = os.dup2(theirs_in, 30), os.dup2(theirs_out, 31)
            os.dup2(high_in, 3)
            os.dup2(high_out, 4)

        self._process = subprocess.Popen(
            [BROWSER, *OPTIONS, f"--user-data-dir={self._profile.name}", "about:blank"],
            preexec_fn=place,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._received, self._number, self._session = b"", 0, None
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._out)
        os.close(self._in)
        self._profile.cleanup()

    def send(self, method: str, **parameters: object) -> dict:
        """Ask for something and return the answer; what happens in between is noted."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self._note(answer)

    def _next(self) -> dict:
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._in], [], [], PATIENCE)
            assert ready, f"the browser has not answered for {PATIENCE:g} seconds"
            read = os.read(self._in, 1 << 20)
            assert read, "the browser has ended"
            self._received += read
        message, self._received = self._received.split(b"\0", 1)
        return json.loads(message)

    def _note(self, event: dict) -> None:
        known = event.get("params", {})
        if event["method"] == "Network.requestWillBeSent":
            self.requests.append(known["request"]["url"])
        elif event["method"] == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(known["exceptionDetails"]))
        elif event["method"] == "Log.entryAdded" and known["entry"]["level"] == "error":
            self.complaints.append(known["entry"]["text"])

    def open(self, file: Path) -> None:
        """Open a file."""
        self.send("Page.navigate", url=file.resolve().as_uri())
        self.until("document.readyState == 'complete'")

    def run(self, expression: str) -> object:
        """The value of a JavaScript expression; promises are awaited."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def run_in_frame(self, expression: str) -> object:
        """The value of a JavaScript expression in the page's frame; None if there is no frame."""
        frames = self.send("Page.getFrameTree")["frameTree"].get("childFrames", [])
        if not frames:
            return None
        world = self.send("Page.createIsolatedWorld", frameId=frames[0]["frame"]["id"])["executionContextId"]
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True, contextId=world)
        return result["result"].get("value")

    def until(self, expression: str, run: Callable[[str], object] | None = None) -> object:
        """The value of an expression once it is true."""
        end = time.monotonic() + PATIENCE
        while not (value := (run or self.run)(expression)):
            assert time.monotonic() < end, f"never true: {expression}; the page: {self.text()[:2000]}"
            time.sleep(0.1)
        return value

    def text(self) -> str:
        """What a reader sees."""
        return str(self.run("document.body.innerText"))

    def click(self, label: str) -> None:
        """Click the innermost element whose text is `label`."""
        found = (
            "[...document.querySelectorAll('a, button, li, td, span, div, svg *')]"
            f".filter(element => element.textContent.trim() == {json.dumps(label)}).at(-1)"
        )
        self.until(f"Boolean({found})")
        self.run(f"{found}.dispatchEvent(new MouseEvent('click', {{bubbles: true}}))")

    def picture(self, path: Path) -> None:
        """Take a screenshot, for anyone who wants to look."""
        import base64

        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))
