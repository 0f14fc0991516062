"""`python -m planhat_orm` is `planhat`."""

from .cli import main

main()
