"""What every program does alike: fail, read, write, lock, and keep a journal."""
