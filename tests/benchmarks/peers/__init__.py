"""A script for each peer, as a good engineer would write it: `python -m tests.benchmarks.peers.with_X JOB URL FILE ROWS`.

Each runs in the environment of its group (`.venv-bench/GROUP`, made of `GROUP.txt`), prints a `Run`, and needs of this
repository no more than the standard library. Reading uses the database that storing made.
"""
