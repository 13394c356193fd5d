"""What coincides, and what to look at first: the nouns of the correlator, pure."""
