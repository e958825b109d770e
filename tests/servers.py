"""A server on this machine that gives files, in part or whole, and answers as a model hub does."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789012345678901234567890123456789"


class Handler(BaseHTTPRequestHandler):
    """Gives ``server.files`` by path; see ``serve`` for the rest."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Say nothing."""

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, *, body):
        path = self.path.partition("?")[0]
        self.server.asked.append((self.command, path, self.headers.get("Range")))
        if path in self.server.errors:
            status, headers = self.server.errors[path]
            self.say(status, b"", headers)
        elif path not in self.server.files:
            self.say(404, b"", {"X-Error-Code": "RepoNotFound"})
        else:
            self.give(self.server.files[path], body)

    def give(self, data, body):
        tag = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": COMMIT}
        asked = self.headers.get("Range") if self.server.ranges else None
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        if start and start >= len(data):
            return self.say(416, b"", {})
        if asked:
            tag["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        return self.say(206 if asked else 200, data[start:], tag, body)

    def say(self, status, data, headers, body=True):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body and self.server.breaks and data:
            self.server.breaks -= 1
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
        elif body:
            self.wfile.write(data)


@contextmanager
def serve(files=None):
    """Run a server and yield it.

    ``address`` is where it listens; ``files`` bytes by path; ``errors`` status and headers by path;
    ``breaks`` how many of the next answers break off halfway; ``ranges`` whether it can go on in
    the middle; ``asked`` what it was asked: command, path, range.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.errors, server.asked = dict(files or {}), {}, []
    server.breaks, server.ranges = 0, True
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def publish(server, model, folder):
    """Put the files of a folder on the server as a hub would give them."""
    listed = []
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        server.files[f"/{model}/resolve/main/{path.name}"] = data
        server.files[f"/{model}/resolve/{COMMIT}/{path.name}"] = data
        listed.append({"type": "file", "path": path.name, "size": len(data), "oid": "0" * 40})
    server.files[f"/api/models/{model}/tree/main"] = json.dumps(listed).encode()
