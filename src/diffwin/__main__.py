"""`python -m diffwin`."""

from diffwin.cli import main

main()
