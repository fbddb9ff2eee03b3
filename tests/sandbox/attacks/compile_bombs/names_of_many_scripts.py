# class: compile_bombs / expect: denied
# detect: identifiers that look alike and are normalised by the parser hide which name is meant: the path /tmp/pwned_own_compile_bombs__names_of_many_scripts exists after the run
# verify: file
import posix as ℯxit
def f(x):
    ｅxit.mkdir('/tmp/pwned_own_compile_bombs__names_of_many_scripts'); return ⅇxit
