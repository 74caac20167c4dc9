"""`deployer` as its users meet it: the real command against the cloud, held to the contract."""
