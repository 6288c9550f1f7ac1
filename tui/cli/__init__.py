"""The command line, roughly one module per command.

`main` defines the command group, `terminal` writes to stdout and stderr, `report` turns batches into text and JSON, and
`command_desk` opens the desk for a command.
"""
