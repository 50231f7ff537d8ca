"""Group H: compressed files."""

from conformance.harness import lines, logrotate


def test_case_075_a_file_that_is_compressed_after_it_was_read_is_not_read_again(site):
    """
    The file is rotated and compressed with unread lines in it: they are read, and nothing of the .gz again.

    In spirit: the .gz is passed over by its name, not recognised by its content.
    """
    with site.agent() as agent:
        site.write("app.log", *lines("old", 100))
        agent.settle()
        site.write("app.log", *lines("old", 20, start=100))
        logrotate(site, "create", "compress", "rotate 5")
        assert ["app.log", "app.log.1.gz"] == sorted(path.name for path in site.logs.iterdir())
        site.write("app.log", *lines("new", 3))
        agent.rest()
    site.write("app.log", *lines("new", 3, start=3))
    site.run()
    site.check(lines("old", 120), lines("new", 6))
