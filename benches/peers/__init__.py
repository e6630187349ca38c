"""What people use instead, each in a file of its own; a peer that is not installed raises `Unavailable`."""
