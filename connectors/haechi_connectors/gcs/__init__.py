"""Google Cloud Storage: its JSON and XML APIs, facts about its buckets."""
