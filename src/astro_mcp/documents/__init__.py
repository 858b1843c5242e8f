"""What other programs' formats say, read in bounded children."""
