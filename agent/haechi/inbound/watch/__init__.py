"""What happens to files, and what people ask about tags: both drive the index."""
