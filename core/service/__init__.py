"""What a service manager starts, is told, and shows."""
