"""A web page that classifies pictures with MODEL: python app.py [PORT]. README.md says more."""

import contextlib
import io
import json
import sys
import warnings
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from zoo_runtime import Classifier, ImageError, ModelError, UnlikeTrainingImages

MOST_BYTES = 20_000_000
PAGE = Path(__file__).with_name("page.html").read_bytes()


class Form(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path != "/":
            return self.answer(404, {"error": f"{self.path} is not here; the page is /"})
        return self.answer(200, PAGE, "text/html; charset=utf-8")

    def do_POST(self) -> None:
        size = self.headers.get("Content-Length", "")
        if self.path != "/classify" or not size.isdecimal() or int(size) > MOST_BYTES:
            error = (
                f"POST {self.path} with {size or 'no'} bytes; allowed is /classify with at most {MOST_BYTES:,} bytes"
            )
            return self.answer(400, {"error": error})
        try:
            pixels = CLASSIFIER.read(io.BytesIO(self.picture(self.rfile.read(int(size)))))
            return self.answer(200, {"classes": CLASSIFIER.predict(pixels), "notes": CLASSIFIER.differences(pixels)})
        except ImageError as error:
            return self.answer(400, {"error": str(error)})

    def picture(self, body: bytes) -> bytes:
        """Return the picture in the body of a request: the body itself, or the first file of a form (curl -F)."""
        if self.headers.get_content_type() != "multipart/form-data":
            return body
        form = message_from_bytes(f"Content-Type: {self.headers['Content-Type']}\n\n".encode() + body)
        return next((bytes(part.get_payload(decode=True)) for part in form.walk() if part.get_filename()), b"")

    def answer(self, status: int, content: bytes | dict[str, object], kind: str = "application/json") -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    warnings.simplefilter("ignore", UnlikeTrainingImages)  # the page shows them
    port = sys.argv[1] if len(sys.argv) > 1 else "8000"
    try:
        CLASSIFIER = Classifier("MODEL")
        server = ThreadingHTTPServer(("127.0.0.1", int(port)), Form)
    except ModelError as error:
        sys.exit(f"{error}; pip install -r requirements.txt installs it")
    except (OSError, ValueError, OverflowError) as error:
        sys.exit(f"port {port} cannot be used: {error}; choose another one: python app.py PORT")
    print(f"MODEL answers at http://127.0.0.1:{port} (Ctrl-C ends it)", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
