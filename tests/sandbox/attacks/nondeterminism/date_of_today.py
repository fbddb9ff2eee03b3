# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
from datetime import date
from calendar import TextCalendar
def f(x): return date.today().isoformat()
