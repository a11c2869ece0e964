"""`python -m glassnet` is `glassnet`."""

from glassnet.doors.cli import main

main()
