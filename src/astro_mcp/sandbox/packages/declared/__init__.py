"""What projects declare that they need, in the words of each tool."""
