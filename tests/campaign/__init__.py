"""The campaign: at every mutating call of a command something goes wrong, and afterwards nothing is wrong.

    python -m tests.campaign --pairs 300 --report benchmarks/campaign.md     all of it
    python -m tests.campaign --stack voting --stage up --fault kill-after --call 17     one point again

A point is a stack, a stage and one or more faults, each at the how manieth mutating call it strikes. The command is run
into them, and again until it ends well. Then the account has to be what an undisturbed run leaves, the record has to
agree with it, and `down` has to leave nothing.

stages.py    the stacks and what is done to them
points.py    which points there are; samples of them
account.py   the comparisons
play.py      one point, from its start to `down`
yard.py      workers, each with a cloud and a warm process; undisturbed runs
journal.py   what was played, on disk; the table
__main__.py  the command
"""
