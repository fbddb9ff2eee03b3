# class: memory / expect: error
# detect: a decimal of a billion digits
# verify: anyerror
import decimal
def f(x):
    context = decimal.Context(prec=10 ** 9, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[])
    return len(str(context.power(7, 10 ** 9)))
