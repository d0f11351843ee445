"""May it be sent, and what: consent, identity, registry, sampling, notice. Nothing here knows of delivery."""
