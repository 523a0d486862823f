"""Ask a running zoo-serve what images show; needs nothing but Python.

python client.py photo.jpg [more.jpg ...]
"""

import json
import os
import sys
import urllib.error
import urllib.request

server = os.environ.get("SERVER", "http://127.0.0.1:8000")
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        request = urllib.request.Request(f"{server}/predict?top_k=3", file.read())
    request.add_header("Content-Type", "application/octet-stream")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        print(f"{path}\t{error.code} {json.load(error)['error']}")
        continue
    for one in answer["predictions"]:
        print(f"{path}\t{one['class']}\t{one['probability']:.6f}")
