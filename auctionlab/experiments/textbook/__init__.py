"""The course as experiments: one module a topic, one entry a statement; `auctionlab reproduce` runs them."""
