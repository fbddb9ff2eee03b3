# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
import enum
Colour = enum.Enum('Colour', 'RED GREEN BLUE CYAN MAGENTA YELLOW BLACK WHITE')
def f(x): return [member.name for member in set(Colour)]
