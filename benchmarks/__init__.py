"""Speed and memory, measured; one file a subject, run as scripts, never as timed tests."""
