# class: compile_bombs / expect: error
# detect: names by escape are looked up one by one in a table
# verify: anyerror
def f(x): return eval('"' + '\\N{LATIN SMALL LETTER A WITH NOTHING}' * 10_000 + '"')
