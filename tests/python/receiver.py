"""The other side of a channel: keeps what is posted to it, and answers as it is told."""

from __future__ import annotations

import dataclasses
import json
import secrets
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Callable

from standardwebhooks import Webhook

# Channels that the tests may reach. Without it every receiver here is out of bounds.
LOCAL = 'allow_http = true\nallow_networks = ["127.0.0.0/8"]\n'


@dataclasses.dataclass
class Post:
    """What was posted once."""

    at: float
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> dict:
        return json.loads(self.body)

    @property
    def data(self) -> dict:
        """What a webhook's body says."""
        return self.json["data"]

    @property
    def events(self) -> list[str]:
        return [event["event"] for event in self.data["events"]]

    def verified(self, secret: str | bytes) -> dict:
        """The body, if the signature is right in the eyes of the reference implementation; else it raises."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclasses.dataclass
class Answer:
    """What the receiver says."""

    status: int = 200
    body: str = ""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        body = self.body.encode()
        handler.send_response(self.status)
        for name, value in {"Content-Length": str(len(body)), **self.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)


ACCEPTED = {"webhook": Answer(204), "slack": Answer(200, "ok"), "teams": Answer(202)}


class Receiver:
    """A server whose path is a secret, as that of a chat's webhook is."""

    def __init__(self, kind: str = "webhook") -> None:
        self.kind = kind
        self.answer: Callable[[BaseHTTPRequestHandler], None] = ACCEPTED[kind]
        self.token = f"CANARY{secrets.token_hex(12)}"
        self.posts: list[Post] = []
        self.closing = threading.Event()
        self._scheme = "http"
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # noqa: N802 - http.server's name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.posts.append(Post(time.time(), self.path, headers, body))
                receiver.answer(self)

            def do_GET(self) -> None:  # noqa: N802
                receiver.posts.append(Post(time.time(), self.path, {}, b""))
                self.send_error(405)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}/hooks/{self.token}"

    def speak_tls(self, context: ssl.SSLContext) -> None:
        """Speaks https from now on."""
        self._scheme = "https"
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def accept(self) -> None:
        """Takes what is posted, from now on."""
        self.answer = ACCEPTED[self.kind]

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def told(self, event: str) -> list[Post]:
        """The posts that speak of an event."""
        return [post for post in self.posts if event in post.events]

    # Answers of another kind, for `answer`.

    def hang(self, _: BaseHTTPRequestHandler) -> None:
        """Takes the message and says nothing."""
        self.closing.wait()

    def dribble(self, handler: BaseHTTPRequestHandler) -> None:
        """Answers a byte now and then, and never ends."""
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while not self.closing.wait(0.5):
            handler.wfile.write(b" ")

    def hang_up(self, handler: BaseHTTPRequestHandler) -> None:
        """Closes the connection without an answer."""
        handler.close_connection = True
        handler.connection.close()
