#!/bin/sh
# sh curl.sh photo.jpg [more.jpg ...]: ask a running zoo-serve for one image, then for several in one request.
server=${SERVER:-http://127.0.0.1:8000}
curl --fail-with-body -s -F "image=@$1" "$server/predict?top_k=3" && echo
for file in "$@"; do set -- "$@" -F "image=@$file"; shift; done
curl --fail-with-body -s "$@" "$server/predict/batch?top_k=1" && echo
