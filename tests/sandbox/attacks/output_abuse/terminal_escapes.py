# class: output_abuse / expect: ok-contained
# detect: escape sequences, bidirectional marks and a bell reach a terminal
# verify: anyvalue
def f(x): return '\x1b]0;owned\x07\x1b[2J\u202e\u2066\r\x08\x00' * 20
