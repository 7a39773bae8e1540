"""`python -m auctionlab` is the command line."""

from auctionlab.cli import main

if __name__ == "__main__":
    main()
