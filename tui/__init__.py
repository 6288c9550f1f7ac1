"""The command line, the app and its screens: puts the other layers together."""
