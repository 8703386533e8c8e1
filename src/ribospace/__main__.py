"""`python -m ribospace`, for who has not the command on the path."""

from ribospace.cli import main

if __name__ == "__main__":
    main()
