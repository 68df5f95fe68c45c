"""What the command line can be asked: each command parses, calls one function and prints what it says."""
