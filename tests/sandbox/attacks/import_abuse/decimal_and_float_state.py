# class: import_abuse / expect: ok-contained
# detect: arithmetic of the next guest has the guest's context and rounding
# verify: reuse
VICTIM = 'import decimal, locale\ndef f(x): return [str(decimal.Decimal(1) / 3), decimal.getcontext().prec, 0.1 + 0.2, round(2.675, 2), locale.localeconv()["decimal_point"]]'
VICTIM_EXPECT = "['0.3333333333333333333333333333', 28, 0.30000000000000004, 2.67, '.']"
import ctypes, decimal
def f(x):
    for context in (decimal.getcontext(), decimal.DefaultContext):
        context.prec, context.rounding = 3, decimal.ROUND_UP
        context.traps[decimal.Inexact] = True
    decimal.setcontext(decimal.Context(prec=1))
    ctypes.CDLL('libm.so.6').fesetround(0x400)
    return 1
