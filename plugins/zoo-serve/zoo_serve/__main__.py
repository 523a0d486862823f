"""``python -m zoo_serve`` is the same as ``zoo-serve``."""

from zoo_serve.cli import main

raise SystemExit(main())
