"""`deployer policy`: the document, and the proof under enforcement that it is enough and not too much."""
