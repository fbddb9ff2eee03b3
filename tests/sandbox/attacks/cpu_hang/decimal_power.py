# class: cpu_hang / expect: timeout
# detect: one C call over the limit
# verify: hang
import decimal
def f(x):
    decimal.getcontext().prec = 10 ** 6
    return str(decimal.Decimal(7) ** (decimal.Decimal(10) ** 7 + decimal.Decimal('0.5')))[:5]
