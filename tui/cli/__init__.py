"""The command line: one module a command.

`main` holds the group of commands, `terminal` is the only place that writes to stdout and stderr, `report` turns
batches into text and JSON, and `command_desk` opens the desk for a command.
"""
