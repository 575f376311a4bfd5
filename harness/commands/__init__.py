"""The subcommands of `tunebench`: options, what is said, exit codes."""
