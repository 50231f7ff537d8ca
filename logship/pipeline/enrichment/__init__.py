"""What a document gets that its line does not say: who the user agent is, where an address lies, what the host is."""
