"""AWS's manners, each shown at work; and whole stacks with all of them on at once."""
