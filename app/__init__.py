"""The voting app: what the repository's own deploy.yaml deploys."""
