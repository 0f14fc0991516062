"""Help for the tests of programs that use this library: see `planhat_orm.testing.plugin`."""
