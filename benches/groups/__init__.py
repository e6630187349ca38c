"""What is measured: a file for each kind of work, each giving groups of rows."""
