"""`python -m ascs` is `ascs`."""

from ascs.main import main

main()
