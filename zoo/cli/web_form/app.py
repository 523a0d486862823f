"""A web page that classifies pictures with MODEL: python app.py, then open http://127.0.0.1:8000. No torch."""

import io
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from zoo_runtime import Classifier, ImageError

CLASSIFIER = Classifier("MODEL")
MOST_BYTES = 20_000_000

PAGE = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>MODEL</title>
<style>body { font: 1rem sans-serif; max-width: 36rem; margin: 2rem auto; padding: 0 1rem }
img { max-width: 100% }</style>
<h1>MODEL</h1><p><input type="file" accept="image/*" aria-label="picture"></p><p><img alt=""></p><ol></ol><script>
document.querySelector("input").onchange = async (event) => {
  const [file] = event.target.files, list = document.querySelector("ol");
  document.querySelector("img").src = URL.createObjectURL(file);
  const answer = await (await fetch("/classify", { method: "POST", body: file })).json();
  const lines = answer.error ? [answer.error] : answer.map(([name, p]) => `${name}: ${(100 * p).toFixed(1)} %`);
  list.replaceChildren(...lines.map((line) => Object.assign(document.createElement("li"), { textContent: line })));
};</script>"""


class Form(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer(200, "text/html; charset=utf-8", PAGE)

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        try:
            if size > MOST_BYTES:
                raise ImageError(f"the picture has {size:,} bytes; allowed are {MOST_BYTES:,}")
            self.answer(200, "application/json", json.dumps(CLASSIFIER.predict(io.BytesIO(self.rfile.read(size)))))
        except ImageError as error:
            self.answer(400, "application/json", json.dumps({"error": str(error)}))

    def answer(self, status: int, kind: str, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(text.encode())


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8000), Form).serve_forever()
