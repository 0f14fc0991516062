"""Help for the tests of programs that use this library: see `planhat_orm.testing.plugin`.

It knows the emulator and pytest, and is loaded when a fixture is used.
"""
