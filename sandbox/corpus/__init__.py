"""A directory of attack programs as a check of the jail: each is run, none may get out.

    program.py    what a file says of itself: header, texts, constants
    reading.py    how the constants are read: by a guest, never here
    traps.py      what an attack would have to touch: bait, listeners, signal handlers
    hoststate.py  what the host is made of before and after each attack
    contain.py    the decision: contained, or what is wrong; pure
    runner.py     the order of events for one file and for all
    show.py       lines for people, one JSON document for programs

Nothing of the sandbox imports this package but the command `sandbox corpus`.
"""
