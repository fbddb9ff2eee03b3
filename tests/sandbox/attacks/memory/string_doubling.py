# class: memory / expect: oom
# detect: a text that doubles without end
# verify: unsafe
def f(x):
    text = 'ab'
    while True: text += text
