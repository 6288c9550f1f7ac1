"""Arranges: the command line, the application, its screens."""
