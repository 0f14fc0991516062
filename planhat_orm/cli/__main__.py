"""`python -m planhat_orm.cli` is `planhat`."""

from . import main

main()
