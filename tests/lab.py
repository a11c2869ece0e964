"""A lab for tests: the real server in a thread, on a free port, in a folder of its own."""

import contextlib
import http.client
import json
import os
import threading
import time
from pathlib import Path

from glassnet.doors.lab import server
from glassnet.doors.lab.address import open_socket


@contextlib.contextmanager
def running(folder, named=None, token=""):
    """A server as `glassnet serve` runs it. Yields an Asker."""
    before = os.getcwd()
    os.chdir(folder)
    bound = open_socket("127.0.0.1", 0)
    port = bound.getsockname()[1]
    one = server.server(named, [f"127.0.0.1:{port}", f"localhost:{port}"], token)
    thread = threading.Thread(target=one.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        while not one.started and thread.is_alive():
            time.sleep(0.01)
        yield Asker(port, Path(folder))
    finally:
        one.should_exit = True
        thread.join(20)
        bound.close()
        os.chdir(before)


class Asker:
    """Asks as a program does."""

    def __init__(self, port, folder=None):
        self.port, self.address, self.folder = port, f"http://127.0.0.1:{port}", folder

    def raw(self, method, path, body=None, headers=None):
        """(status, headers, body as text) of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return reply.status, dict(reply.getheaders()), reply.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def get(self, path, **headers):
        """(status, JSON)."""
        status, _, text = self.raw("GET", path, headers=headers)
        return status, json.loads(text)

    def post(self, path, body, **headers):
        """(status, JSON). body: an object, or bytes as they are."""
        if isinstance(body, bytes):
            sent, kind = body, "application/octet-stream"
        else:
            sent, kind = json.dumps(body).encode(), "application/json"
        status, _, text = self.raw("POST", path, sent, {"content-type": kind, **headers})
        return status, json.loads(text)
