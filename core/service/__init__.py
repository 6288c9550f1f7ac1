"""Running for months under a service manager: the files of a systemd user service or a launchd agent, installing them,
and what is said to systemd.
"""
