"""Azure Blob Storage with Data Lake, as one cloud."""
