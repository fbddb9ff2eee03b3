# class: nondeterminism / expect: nondeterministic
# detect: the second call of f differs from the first
# verify: nondet
import decimal
def f(x):
    decimal.getcontext().prec += 1
    return str(decimal.Decimal(1) / 7)
