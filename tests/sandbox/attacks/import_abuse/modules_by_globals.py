# class: import_abuse / expect: denied
# detect: the path /tmp/pwned_own_import_abuse__modules_by_globals exists after the run
# verify: file
import collections, contextlib, typing
def f(x):
    todo, seen = [collections, typing, contextlib], set()
    while todo:
        module = todo.pop()
        if id(module) in seen: continue
        seen.add(id(module))
        for value in list(vars(module).values()):
            if type(value) is type(collections):
                if value.__name__ in ('os', 'posix'): value.mkdir('/tmp/pwned_own_import_abuse__modules_by_globals')
                todo.append(value)
    return 1
