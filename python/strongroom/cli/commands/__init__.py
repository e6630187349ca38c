"""One subcommand a module, each imported when it is run: see `strongroom.cli.table`."""
