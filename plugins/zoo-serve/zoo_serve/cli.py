"""``zoo serve`` and ``zoo-serve``: from the command line to a server that leaves cleanly."""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import socket
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

from zoo_serve.options import Options

HELP = {
    "host": "address to listen at; 0.0.0.0 is every one of this machine, without any password",
    "port": "port to listen at; 0 takes a free one",
    "threads": "threads that compute; by default one a core",
    "max_batch": "images that run through the network at once at most",
    "max_wait_ms": "how long an image waits at most for others that are being read, milliseconds",
    "max_mb": "size of an upload at most, megabytes",
    "max_queue": "images that are being answered at most; more get 503, of the address that has most",
    "max_incomplete": "connections without a whole request at most, and idle ones; more end the oldest of one address",
    "timeout_s": "seconds a request may take",
    "head_timeout_s": "seconds in which the headers of a request must arrive",
    "body_timeout_s": "seconds in which its body must arrive; by default as --timeout_s",
    "max_bodies_mb": "size of all bodies in memory together at most, megabytes; more get 503",
    "full_mp": "JPEG pictures of more megapixels are decoded at 1/2, 1/4 or 1/8 of their size; the answer says so",
    "flight_mp": "megapixels of large pictures that are read at once",
    "provider": "what computes: cpu, cuda or another execution provider of onnxruntime",
    "cors": "let pages of this origin ask the server: https://example.org, or * for all; may be repeated",
    "access_log": "a file that gets a line for each request; - is stdout",
    "reload_s": "seconds between two looks at whether a model file was replaced; 0 never looks",
}
TYPES: dict[str, type] = {"host": str, "provider": str, "cors": str, "access_log": str}
TYPES |= dict.fromkeys(("max_wait_ms", "max_mb", "timeout_s", "head_timeout_s", "body_timeout_s"), float)
TYPES |= dict.fromkeys(("max_bodies_mb", "full_mp", "flight_mp", "reload_s"), float)


class _Parser(argparse.ArgumentParser):
    """argparse that reports in one line."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; see '{self.prog} --help'")


def serve(words: Sequence[str]) -> None:
    """Serve an exported model over HTTP, and as a page for people: zoo serve model.onnx.

    Args:
        words: what follows ``zoo serve``.

    Raises:
        SystemExit: with the command's exit status; an error is already printed.
    """
    raise SystemExit(run(words, "zoo serve"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command ``zoo-serve``; arguments and result as ``run``, by default the words of this process."""
    return run(sys.argv[1:] if argv is None else argv, "zoo-serve")


def run(words: Sequence[str], program: str) -> int:
    """Serve until a signal comes.

    Args:
        words: of the command line.
        program: what the user called.

    Returns:
        The exit status: 2 an option, the file or the port is wrong.

    Raises:
        SystemExit: 130 interrupted, 143 terminated, after running requests were answered; 0 after ``--help``.
    """
    handlers = {number: signal.signal(number, _leave) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        options = _options(words, program)
        with _listening(options) as listener:
            _serve(options, listener)
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return 0


def _leave(signum: int, frame: object) -> None:
    raise SystemExit(128 + signum)


def _options(words: Sequence[str], program: str) -> Options:
    parser = _Parser(prog=program, description="Serve a model that 'zoo export' wrote.", allow_abbrev=False)
    parser.add_argument(
        "models",
        metavar="MODEL",
        nargs="+",
        help="an .onnx file, or NAME=FILE; the first answers at /predict, each at /models/NAME/predict",
    )
    for field in dataclasses.fields(Options):
        if field.name in HELP:
            shown = "" if field.default in (None, ()) else f" (default: {field.default})"
            parser.add_argument(
                f"--{field.name}",
                action="append" if field.name == "cors" else "store",
                type=TYPES.get(field.name, int),
                default=None if field.name == "cors" else field.default,
                metavar=field.name.rpartition("_")[2].upper(),
                help=HELP[field.name] + shown,
            )
    values = vars(parser.parse_args(words))
    options = Options(**values | {name: tuple(values[name] or ()) for name in ("models", "cors")})
    options.files  # noqa: B018  # an error in the names comes before anything is loaded
    return options


def _listening(options: Options) -> socket.socket:
    """Return a socket that has the address, so that a port that is taken is an error before the model is loaded."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's delay of 40 ms off only where it is.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # a port whose last server just ended is free; elsewhere it would be shared
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((options.host, options.port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        reason = error.strerror or error
        raise OSError(
            f"cannot listen at {options.host} port {options.port}: {reason}; choose another --port"
        ) from error
    return listener


def _serve(options: Options, listener: socket.socket) -> None:
    import logging

    import uvicorn  # here, so that wrong options and --help are answered at once

    from zoo_serve.app import create_app
    from zoo_serve.connection import MAX_HEAD, connection_class
    from zoo_serve.front import Log
    from zoo_serve.models import Models, describe

    for name in ("PIL", "python_multipart"):  # what is wrong with a request, its answer says
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")  # Pillow's, likewise
    models = Models(options)
    config = uvicorn.Config(
        create_app(models, None if options.access_log is None else Log(options.access_log)),
        # httptools is a fifth faster in all, but takes headers of any size into memory.
        http=connection_class(options.head_timeout_s, options.max_incomplete),
        h11_max_incomplete_event_size=MAX_HEAD,
        log_level="error",
        access_log=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=60,
        timeout_graceful_shutdown=int(options.timeout_s) + 10,
    )
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    for model in models:
        print(f"{model.file}: {describe(model.classifier)}")
    print(f"serving at {address} (Ctrl-C ends it)", flush=True)
    uvicorn.Server(config).run(sockets=[listener])
